"""What the audit shows of a call: references and numbers, and of all other texts their length.

So it holds no body of a message or comment. An argument that is not listed here is not shown.
"""

import re
from collections.abc import Mapping
from typing import Any

from bot import secret_formats
from store.engine.transaction import Row

# Arguments whose texts name something, or come from a short list of words.
REFERENCES = """
accept access action agent_id agents assignees base blocked_by branch capabilities capability
conclusion consultation context_id context_ids event head holder issue label labels lease merge
message_id milestone parent parent_id priority pull_request reaction reason ref repository
reviewers role server sha size snapshot_id state status task thread_id to tool type unblocked_by
visibility workflow write_id
"""
SHOWN = frozenset(REFERENCES.split())
# The arguments that say what a call is about, the first one that is there.
SUBJECTS = (
    "task",
    "issue",
    "pull_request",
    "context_id",
    "message_id",
    "consultation",
    "write_id",
    "agent_id",
    "tool",
    "repository",
    "to",
)
# The parts of an answer that have the id of what a call made.
MADE = ("task", "context", "agent", "message", "snapshot")
LONGEST = 120
# A subject is a reference, whatever a caller gives.
REFERENCE = re.compile(rf"[\w.@/#:-]{{1,{LONGEST}}}")
MOST_ITEMS = 20
# The part of a token that is no secret.
PUBLIC_ID = re.compile(r"hubbub_([A-Za-z0-9]{8,40})_")
# They say how a call is made, not what it does.
LEFT_OUT = frozenset({"key", "wait_s"})
NOTHING: tuple[Any, ...] = (None, "", (), [], {})


def visible(arguments: Row) -> dict[str, Any]:
    """What the audit keeps of the arguments of a call, or of the data of a step."""
    return {
        name: _visible(value, is_reference=name in SHOWN)
        for name, value in arguments.items()
        if value not in NOTHING and name not in LEFT_OUT
    }


def _visible(value: Any, *, is_reference: bool) -> Any:
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        is_short = is_reference and len(value) <= LONGEST
        return _reference(value) if is_short else f"{len(value)} characters"
    if isinstance(value, list | tuple | set | frozenset):
        if is_reference and len(value) <= MOST_ITEMS:
            return [_visible(each, is_reference=True) for each in value]
        return f"{len(value)} items"
    return f"{len(value)} fields" if isinstance(value, Mapping) else "an object"


def _reference(text: str) -> str:
    return secret_formats.mask(text)[0]


def public_id(token: str) -> str:
    """The id of the credential in a token of Hubbub; "" in any other text."""
    found = PUBLIC_ID.search(token[:200])
    return found[1] if found else ""


def subject_of(arguments: Any, answer: Any = None) -> str:
    """What a call is about, by its arguments; or else what it made, by its answer."""
    given = arguments if isinstance(arguments, Mapping) else {}
    for name in SUBJECTS:
        found = given.get(name)
        if isinstance(found, str) and REFERENCE.fullmatch(found):
            return _reference(found)
    parts = vars(answer) if answer is not None else {}
    made = (getattr(parts.get(name), "id", None) for name in MADE)
    return next((each for each in made if isinstance(each, str)), "")
