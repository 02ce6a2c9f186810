"""How templates show times, amounts and names."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup, escape

from bot import times

# In words that a reader knows without the glossary.
STATE_WORDS = {
    "pending": "waiting",
    "assigned": "reserved",
    "in_progress": "in progress",
    "in_review": "in review",
}


def when(stamp: str | None, now: int) -> Markup:
    """A time as its distance from now, with the exact time beside it."""
    if not stamp:
        return Markup("&ndash;")
    at = times.parse(stamp)
    exact = datetime.fromtimestamp(at // times.SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        stamp, exact, times.from_now(at, now)
    )


def soon(stamp: str | None, now: int) -> Markup:
    """The same for a time that is expected; what is due is due now."""
    if stamp and times.parse(stamp) <= now:
        return Markup("now")
    return when(stamp, now)


def state_word(state: str) -> str:
    return STATE_WORDS.get(state, state.replace("_", " "))


def words(name: str) -> str:
    """A name of the program as words."""
    return name.replace("_", " ").replace(".", ": ")


def tail(name: str, length: int) -> str:
    """The end of a long name, which tells it apart: the number of an issue, not its owner."""
    return name if len(name) <= length else f"…{name[1 - length :]}"


def thousands(number: float) -> str:
    return f"{number:,}"


def as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


def fields(data: dict[str, Any]) -> Markup:
    """The data of an event on one line."""
    shown = [(name, each) for name, each in data.items() if each not in (None, "", [], {})]
    return Markup(", ").join(
        Markup("{} {}").format(words(name), escape(_short(each))) for name, each in shown
    )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:299]}…"


FILTERS: dict[str, Callable[..., Any]] = {
    "when": when,
    "soon": soon,
    "state_word": state_word,
    "words": words,
    "thousands": thousands,
    "tail": tail,
    "as_json": as_json,
    "fields": fields,
}
