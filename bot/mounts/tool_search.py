"""Finds tools by words: in their names, titles and descriptions.

BM25 over words without their endings, as of 2,000 tools. The beginning of a word and a word of the
same meaning count less than the word itself.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

# A word in the name says more about a tool than one in the middle of its description.
NAME, TITLE, FIRST_LINE, REST = 5.0, 3.0, 1.5, 0.75
# Characters of a description, and words of a query.
READ = 1_000
MOST_WORDS = 16
# Of BM25: how soon a word that is there again adds nothing, and how much a long text loses.
SATURATION, LENGTH = 1.2, 0.4
BEGINNING, SYNONYM = 0.6, 0.4
SHORTEST_BEGINNING = 3
# A tool that has only a part of the words comes after all that have more of them.
MISSING = 0.35
WORD = re.compile(r"[^\W_]+")
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
STOP = """
a an and any are as at be by can do for from get has have how i if in into is it me my of on or our
some that the their this to tool tools us use using want we what which with you your
"""
STOP_WORDS = frozenset(STOP.split())
SAME = (
    "create add new open make insert post",
    "delete remove drop erase",
    "list find search query lookup browse",
    "read fetch show view retrieve load",
    "update edit change modify set patch",
    "send post notify message",
    "issue ticket bug",
    "page document doc note wiki",
    "mail email",
    "person user member people",
    "channel room conversation",
    "picture image photo",
    "repository repo project",
)

Weights: TypeAlias = Mapping[str, float]


def stem(word: str) -> str:
    """The word without the ending of a plural, of a participle, or of who does it."""
    for ending, put in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", "e")):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending) + put
            break
    else:
        if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
            word = word[:-1]
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def words(text: str) -> list[str]:
    """The words of a text without their endings, in order."""
    apart = CAMEL.sub(" ", text)
    return [stem(each) for each in WORD.findall(apart.casefold().replace("_", " "))]


MEANINGS: Mapping[str, frozenset[str]] = {
    word: frozenset(
        stem(other) for line in SAME if word in map(stem, line.split()) for other in line.split()
    )
    for line in SAME
    for word in map(stem, line.split())
}


@dataclass(frozen=True)
class Text:
    """What the search reads of a tool. `server`: the name of the mount."""

    server: str
    name: str
    title: str
    description: str


def _weights(text: Text) -> tuple[Weights, float]:
    """How much each word counts, and the length of the text."""
    found: dict[str, float] = {}
    first, _, rest = text.description[:READ].partition("\n")
    for part, weight in (
        (text.name, NAME),
        (text.server, TITLE),
        (text.title, TITLE),
        (first, FIRST_LINE),
        (rest, REST),
    ):
        for word in words(part):
            # A word that a description repeats does not become more important.
            found[word] = max(found[word] + weight / 4, weight) if word in found else weight
    return found, math.sqrt(len(text.name) + len(text.title) + len(text.description[:READ]))


def query_words(query: str) -> list[str]:
    found = list(dict.fromkeys(words(query)))
    return [each for each in found if each not in STOP_WORDS][:MOST_WORDS] or found[:MOST_WORDS]


@dataclass(frozen=True)
class _Index:
    """`places`: for each word, where it is and how much it counts there."""

    places: Mapping[str, Mapping[int, float]]
    lengths: Sequence[float]
    usual: float


# Callers of one installation search the same tools; each index takes some megabytes.
@lru_cache(maxsize=4)
def _index(texts: tuple[Text, ...]) -> _Index:
    places: dict[str, dict[int, float]] = {}
    lengths = []
    for at, text in enumerate(texts):
        weights, length = _weights(text)
        lengths.append(length)
        for word, weight in weights.items():
            places.setdefault(word, {})[at] = weight
    return _Index(places, lengths, sum(lengths) / max(1, len(lengths)) or 1.0)


def rank(query: str, texts: Sequence[Text]) -> list[int]:
    """The places of the texts that have any of the words, the best first."""
    asked = query_words(query)
    if not asked:
        return list(range(len(texts)))
    index = _index(tuple(texts))
    scores: dict[int, float] = {}
    matched: dict[int, int] = {}
    for word in asked:
        matches = _matches(word, index.places)
        rarity = math.log(1 + (len(texts) - len(matches) + 0.5) / (len(matches) + 0.5))
        for at, weight in matches.items():
            norm = 1 - LENGTH + LENGTH * index.lengths[at] / index.usual
            score = rarity * weight * (SATURATION + 1) / (weight + SATURATION * norm)
            scores[at] = scores.get(at, 0.0) + score
            matched[at] = matched.get(at, 0) + 1
    for at, count in matched.items():
        scores[at] *= MISSING + (1 - MISSING) * count / len(asked)
    return sorted(scores, key=lambda at: (-scores[at], texts[at].server, texts[at].name))


def _matches(word: str, places: Mapping[str, Mapping[int, float]]) -> Mapping[int, float]:
    """How much a word of the query counts in each text that has it, or one like it."""
    exact = places.get(word, {})
    alike = [(places.get(each, {}), SYNONYM) for each in MEANINGS.get(word, ())]
    if len(word) >= SHORTEST_BEGINNING:
        alike += [(found, BEGINNING) for each, found in places.items() if each.startswith(word)]
    made: dict[int, float] = {}
    for found, share in alike:
        for at, weight in found.items():
            made[at] = max(made.get(at, 0.0), weight * share)
    return {**made, **exact}
