"""Puts texts of others, which may end with a full stop, into sentences by Hubbub."""

ENDS = (".", "!", "?", "…")


def with_full_stop(text: str) -> str:
    """The text, ended by one full stop unless it ends as a sentence does."""
    text = text.rstrip()
    return text if text.endswith(ENDS) else f"{text}."


# Characters of a text that an event shows.
SHOWN = 200


def shorten(text: str) -> str:
    """The start of the text."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
