"""Splits texts into words, and encodes words as terms, so that every engine finds the same texts.

A term has only ASCII characters and a prefix. So the engines find no stop words and no operators in
it, and no term is too short or too long for them.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

SHORTEST = 3
# Scripts without spaces between words: Thai to Khmer, kana, Han, Hangul. Each pair of neighbouring
# characters counts as a word.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_ASCII_GAPS = re.compile(r"[^a-z0-9]+")
# InnoDB indexes words of at most 84 characters.
LONGEST = 60


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    if text.isascii():  # most texts are, and this is ten times as fast
        return [
            word for word in _ASCII_GAPS.sub(" ", text.lower()).split() if len(word) >= SHORTEST
        ]
    return list(_words(fold(text)))


def fold(text: str) -> str:
    """The text without case and accents. Each character outside words becomes a space."""
    return "".join(map(_fold_char, unicodedata.normalize("NFKC", text)))


@lru_cache(65_536)
def _fold_char(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Cf" or unicodedata.combining(char) or "\ufe00" <= char <= "\ufe0f":
        return ""  # an accent of the letter before, or an invisible character
    if category in ("Mn", "Mc"):
        return char  # the vowels of Indic scripts
    parts = unicodedata.normalize("NFKD", char.casefold())
    kept = "".join(c for c in parts if not unicodedata.combining(c)).casefold()
    whole = unicodedata.normalize("NFC", kept)
    return "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in whole)


def _words(text: str) -> Iterator[str]:
    for run in text.split():
        at = 0
        for found in UNSPACED.finditer(run):
            yield from _long_enough(run[at : found.start()])
            yield from (found[0][n : n + 2] for n in range(len(found[0]) - 1))
            at = found.end()
        yield from _long_enough(run[at:])


def _long_enough(word: str) -> Iterator[str]:
    if len(word) >= SHORTEST:
        yield word


def term(word: str) -> str:
    """The term that stands for a word in the index."""
    code = f"w_{word}" if word.isascii() else f"x_{word.encode().hex()}"
    if len(code) <= LONGEST:
        return code
    return f"h_{hashlib.sha256(word.encode()).hexdigest()[:32]}"


def terms(text: str) -> list[str]:
    """The terms of a text, each of them once."""
    return [term(word) for word in dict.fromkeys(words(text))]
