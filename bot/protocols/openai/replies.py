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


@dataclass(frozen=True)
class Call:
    """`arguments`: as the model wrote them, which may be no JSON."""

    id: str
    name: str
    arguments: str


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


class BadReply(ValueError):
    """The answer is not what the API says. The text says what is wrong."""


def token_counts(prompt: Any, output: Any, cached: Any) -> Used:
    """Counts as the endpoint gave them: what is no number counts as nothing."""
    total, out, known = (_count(each) for each in (prompt, output, cached))
    return Used(max(0, total - known), min(known, total), out)


def _count(value: Any) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return min(max(0, value), 1_000_000_000) if is_number else 0


def make(text: Any, calls: list[tuple[Any, Any, Any]], finish: Finish, tokens: Used) -> Reply:
    """Bound the texts and the calls. Raise BadReply."""
    kept = [
        Call(str(call_id or f"call_{n}")[:200], str(name)[:200], _arguments(arguments))
        for n, (call_id, name, arguments) in enumerate(calls[:MOST_CALLS])
    ]
    if text is not None and not isinstance(text, str):
        raise BadReply("its answer has a content that is no text")
    left_out = max(0, len(calls) - MOST_CALLS)
    return Reply((text or "")[:LONGEST_TEXT], tuple(kept), finish, tokens, left_out)


def _arguments(value: Any) -> str:
    """Some servers send an object in place of its text."""
    if isinstance(value, str):
        return value[:LONGEST_ARGUMENTS]
    return json.dumps(value)[:LONGEST_ARGUMENTS]
