"""What a model answered, in one form for both APIs."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

# `length`: it was cut off. `refusal`: the model or a filter refused.
Finish: TypeAlias = Literal["stop", "length", "refusal"]
# Characters of a text that are kept.
LONGEST_TEXT = 60_000
# Calls of one turn that are kept, and characters of the arguments of one.
MOST_CALLS, LONGEST_ARGUMENTS = 16, 400_000
# Some endpoints keep the model's thoughts in the id of a call.
LONGEST_ID = 20_000
# Thoughts that the endpoint wants back, in characters.
LONGEST_THOUGHT = 100_000


@dataclass(frozen=True)
class Call:
    """`arguments`: as the model wrote them, which may be no JSON.

    `extra`: what the endpoint wants to have back with the call.
    """

    id: str
    name: str
    arguments: str
    extra: dict[str, Any] | None = None


@dataclass(frozen=True)
class Used:
    """Tokens. `cached` are not in `fresh`."""

    fresh: int = 0
    cached: int = 0
    output: int = 0

    @property
    def total(self) -> int:
        return self.fresh + self.cached + self.output


@dataclass(frozen=True)
class Reply:
    text: str = ""
    calls: tuple[Call, ...] = ()
    finish: Finish = "stop"
    used: Used = field(default_factory=Used)
    # Calls beyond the limit, which were left out.
    left_out: int = 0
    # What the model thought, if the endpoint wants to have it back.
    thought: str | None = None


class BadReply(ValueError):
    """The answer is not what the API says. The text says what is wrong."""


def token_counts(prompt: Any, output: Any, cached: Any) -> Used:
    """Counts as the endpoint gave them: what is no number counts as nothing."""
    total, out, known = (_count(each) for each in (prompt, output, cached))
    return Used(max(0, total - known), min(known, total), out)


def _count(value: Any) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return min(max(0, value), 1_000_000_000) if is_number else 0


def make(
    text: Any,
    calls: list[tuple[Any, Any, Any, Any]],
    finish: Finish,
    tokens: Used,
    thought: Any = None,
) -> Reply:
    """Bound the texts and the calls. Raise BadReply."""
    kept = [
        Call(_id(call_id, n, calls[:n]), str(name)[:200], _arguments(arguments), _extra(extra))
        for n, (call_id, name, arguments, extra) in enumerate(calls[:MOST_CALLS])
    ]
    left_out = max(0, len(calls) - MOST_CALLS)
    fits = isinstance(thought, str) and len(thought) <= LONGEST_THOUGHT
    return Reply(
        _text(text)[:LONGEST_TEXT], tuple(kept), finish, tokens, left_out, thought if fits else None
    )


def _text(value: Any) -> str:
    """Some servers send parts in place of a text, with what the model thought. Raise BadReply."""
    if value is None or isinstance(value, str):
        return value or ""
    if not isinstance(value, list):
        raise BadReply("its answer has a content that is no text")
    texts = [each.get("text") for each in value if isinstance(each, dict)]
    return "".join(each for each in texts if isinstance(each, str))


def _id(value: Any, n: int, before: list[tuple[Any, Any, Any, Any]]) -> str:
    """Some servers give no ids, or the same one twice."""
    found = value if isinstance(value, str) else ""
    is_own = 0 < len(found) <= LONGEST_ID and found not in [each[0] for each in before]
    return found if is_own else f"call_{n}"


def _arguments(value: Any) -> str:
    """Some servers send an object in place of its text, or nothing."""
    if isinstance(value, str):
        return value[:LONGEST_ARGUMENTS]
    return json.dumps({} if value is None else value)[:LONGEST_ARGUMENTS]


def _extra(value: Any) -> dict[str, Any] | None:
    is_kept = isinstance(value, dict) and 0 < len(json.dumps(value)) <= LONGEST_THOUGHT
    return value if is_kept else None
