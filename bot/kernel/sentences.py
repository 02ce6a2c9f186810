"""Puts texts of others, which may end with a full stop, into sentences by Hubbub."""

ENDS = (".", "!", "?", "…")


def with_full_stop(text: str) -> str:
    """The text, ended by one full stop unless it ends as a sentence does."""
    text = text.rstrip()
    return text if text.endswith(ENDS) else f"{text}."
