"""Fits texts of others into sentences by Hubbub: their full stop, and their length."""

import re

from bot import secret_formats

ENDS = tuple(f"{end}{quote}" for end in ".!?…" for quote in ("", '"'))


def with_full_stop(text: str) -> str:
    """The text, ended by one full stop unless it or its quotation ends as a sentence does."""
    text = text.rstrip()
    return text if text.endswith(ENDS) else f"{text}."


# Characters of a text that an event shows.
SHOWN = 200


def shorten(text: str, longest: int = SHOWN) -> str:
    """The text, or its beginning with an ellipsis, in at most `longest` characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


# What ends a sentence. A full stop in a name or a path is followed by no space.
END_OF_SENTENCE = re.compile(r"[.!?…][\"`)]?(?= |$)")


def whole_sentences(text: str, longest: int, more: str = "") -> str:
    """The text, or those of its first sentences that fit, followed by `more`."""
    if len(text) <= longest:
        return text
    room = longest - (len(more) + 1 if more else 0)
    ends = [each.end() for each in END_OF_SENTENCE.finditer(text) if each.end() <= room]
    kept = text[: ends[-1]] if ends else shorten(text, room)
    return f"{kept} {more}".rstrip()


def code(text: str) -> str:
    """Inline code, in which GitHub sees no mention and Hubbub no command.

    It has one line, because an empty line would end it. The name of a file may have some.
    """
    return f"`{' '.join(text.replace('`', chr(0x2BC)).splitlines()).strip()}`"


def inline(text: str) -> str:
    """Somebody's words inside a sentence by Hubbub, which has its own full stop."""
    return code(_one_line(text).removesuffix("."))


def whole_line(text: str) -> str:
    """Somebody's words that stand alone, with their full stop."""
    return code(_one_line(text))


def _one_line(text: str) -> str:
    masked, _ = secret_formats.mask(text)
    return " ".join(masked.split())[:300]
