"""The part of a text in which a search found its words."""

import re

from store.mirror import search_terms

LENGTH = 240
BEFORE = 80
# As far as words are looked for that stand there with accents, or in another script's forms.
FAR = 5000
WORD = re.compile(r"\w[^\s]*")
LINK = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)


def snippet(text: str, query: list[str]) -> str:
    """One line around the first of the query's words, without links."""
    hit = _first(text, query)
    start = max(0, hit - BEFORE)
    if start:
        start = text.find(" ", start, hit) + 1 or start
    cut = text[start : start + LENGTH * 4]
    line = " ".join(LINK.sub("(link)", cut).split())
    short = line[:LENGTH]
    more = len(line) > LENGTH or start + len(cut) < len(text)
    return f"{'… ' if start else ''}{short}{' …' if more else ''}"


def _first(text: str, query: list[str]) -> int:
    """Where the first of the words begins; 0 if the text has none."""
    either = "|".join(map(re.escape, query))
    if found := re.search(rf"(?<![^\W_])(?:{either})(?![^\W_])", text, re.IGNORECASE):
        return found.start()
    wanted = set(query)
    for word in WORD.finditer(text, 0, FAR):
        if not word[0].isascii() and wanted.intersection(search_terms.words(word[0])):
            return word.start()
    return 0
