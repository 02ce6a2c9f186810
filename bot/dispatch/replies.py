"""The answer of an operation on its way to a caller: as JSON, or as values of JSON."""

from dataclasses import dataclass
from typing import Any

from bot.kernel.operation import Answer, Operation

# A mirror that is behind by less is up to date for who writes.
FRESH_S = 5


@dataclass(frozen=True)
class Reply:
    operation: Operation
    answer: Answer

    def values(self) -> dict[str, Any]:
        return self.answer.model_dump(mode="json")

    def json(self) -> str:
        return self.answer.model_dump_json()

    def content_parts(self) -> list[dict[str, Any]]:
        return self.answer.content_parts()

    def lean_json(self) -> str:
        """The answer for models: without nulls, defaults, and what models do not need."""
        answer = self.answer
        omitted: dict[str, Any] = dict(answer.omitted)
        shows_mirror = self.operation.reads_only and answer.of_mirror
        if not shows_mirror and not answer.behind and answer.stale_s < FRESH_S:
            omitted |= {"as_of": True, "stale_s": True}
        return answer.lean().model_dump_json(
            exclude_none=True, exclude_defaults=True, exclude=omitted
        )
