"""What people decide about a tool of another server: who may call it, how often, and how."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bot.kernel.patterns import Shape
from bot.quotas.money import AMOUNT, AMOUNT_WORDS, from_number, micros
from store.tables.agents import Role

DEFAULT_ROLE: Role = "developer"
Amount: TypeAlias = Annotated[
    str, Field(max_length=20), Shape(AMOUNT, AMOUNT_WORDS), BeforeValidator(from_number)
]
Count: TypeAlias = Annotated[int, Field(ge=0, le=1_000_000)]
Label: TypeAlias = Annotated[str, Field(min_length=1, max_length=60)]


class ToolPolicy(BaseModel):
    """Defaults are for a tool that nobody has looked at: a developer, and once."""

    model_config = ConfigDict(extra="forbid")

    role: Role = Field(DEFAULT_ROLE, description="the lowest role that may call it")
    calls_a_minute: Count | None = Field(None, description="by all agents together")
    calls_a_day: Count | None = Field(None, description="by all agents together")
    price: Amount | None = Field(None, description="of one call, in the currency of the caps")
    cost_a_day: Amount | None = Field(None, description="no call may go beyond it")
    timeout_s: Annotated[int, Field(ge=1, le=300, description="for one attempt")] = 30
    cache_s: Annotated[
        int, Field(ge=0, le=86_400, description="keep answers, if the tool only reads")
    ] = 0
    max_bytes: Annotated[int, Field(ge=1_000, le=2_000_000, description="the longest result")] = (
        64_000
    )
    retries: Annotated[
        int, Field(ge=0, le=3, description="attempts after a failure that may have had an effect")
    ] = 0
    fallback: str | None = Field(
        None, max_length=40, description="a server with the same tool, if this one is away"
    )
    capabilities: Annotated[list[Label], Field(max_length=20, description="for find_tools")] = []
    parked: bool = Field(False, description="nobody may call it, until somebody unparks it")

    @property
    def price_micros(self) -> int:
        return micros(self.price) if self.price else 0


def read(stored: Mapping[str, Any] | None) -> ToolPolicy:
    return ToolPolicy.model_validate(stored or {})


def change(stored: Mapping[str, Any] | None, changed: Mapping[str, Any]) -> dict[str, Any]:
    """The stored policy with some settings changed. None puts a setting back to its default."""
    kept = {**(stored or {}), **changed}
    return {name: value for name, value in kept.items() if value is not None}


def is_parked(stored: Mapping[str, Any]) -> bool:
    """Whether people parked the tool."""
    return bool(stored.get("parked"))


def problem(stored: Mapping[str, Any]) -> str:
    """What is wrong with a policy, in words. Empty if nothing is."""
    try:
        found = read(stored)
    except ValidationError as exc:
        first = exc.errors()[0]
        return f"`policy.{'.'.join(map(str, first['loc']))}`: {first['msg']}."
    if found.cost_a_day is not None and found.price is None:
        return "`policy.cost_a_day` needs a `price`: without one, no call costs anything."
    return ""
