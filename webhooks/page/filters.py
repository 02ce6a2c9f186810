"""How templates show times, amounts and names."""

import json
import re
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


# What the kinds of writes are called, where their names say too little.
WRITE_WORDS = {
    "blocked_by": "blocker",
    "blocked_by_removal": "removal of a blocker",
    "board_item": "card on a board",
    "board_status": "move on a board",
    "card": "status comment",
    "comment_delete": "deletion of a comment",
    "comment_edit": "edit of a comment",
    "comment_minimize": "hiding of a comment",
    "issue_update": "change of the issue",
    "merge": "merge",
    "pull": "pull request",
    "pull_check": "Hubbub's check",
    "pull_draft": "draft state",
    "pull_update": "change of the pull request",
    "reviewers": "request for a review",
    "sub_issue_removal": "removal of a sub-issue",
    "workflow_cancel": "stop of a run",
    "workflow_dispatch": "start of a run",
    "workflow_force_cancel": "forced stop of a run",
}


def when(stamp: str | None, now: int) -> Markup:
    """A time as its distance from now, with the exact time beside it."""
    if not stamp:
        return Markup("&ndash;")
    return _time(stamp, times.from_now(times.parse(stamp), now))


def _time(stamp: str, shown: str) -> Markup:
    exact = f"{_exact(stamp)} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(stamp, exact, shown)


def _exact(stamp: str) -> str:
    at = times.parse(stamp) // times.SECOND
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def clock(stamp: str) -> Markup:
    """A time in UTC as it is, where a reader compares times."""
    return _time(stamp, _exact(stamp))


def soon(stamp: str | None, now: int) -> Markup:
    """The same for a time that is expected; what is due is due now."""
    if stamp and times.parse(stamp) <= now:
        return _time(stamp, "now")
    return when(stamp, now)


def code_spans(text: str) -> Markup:
    """A sentence of Hubbub, in which names and commands stand between backticks."""
    pieces = CODE.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(each) if n % 2 else escape(each)
        for n, each in enumerate(pieces)
    )


CODE = re.compile(r"`([^`\n]+)`")


def state_word(state: str) -> str:
    return STATE_WORDS.get(state, state.replace("_", " "))


def write_word(kind: str) -> str:
    return WRITE_WORDS.get(kind, words(kind))


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
    "clock": clock,
    "code_spans": code_spans,
    "state_word": state_word,
    "words": words,
    "write_word": write_word,
    "thousands": thousands,
    "tail": tail,
    "as_json": as_json,
    "fields": fields,
}
