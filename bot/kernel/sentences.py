"""Fits texts of others into sentences by Hubbub: their full stop, and their length."""

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
