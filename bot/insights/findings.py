"""What a report says: a finding with its evidence, and what to change."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import ceil

from pydantic import BaseModel, Field

from bot.times import SECOND, span
from store.engine.reach import Reach
from store.engine.transaction import Tx

# Fewer cases say nothing.
FEWEST = 3
# A share above it is worth a look.
MANY = 0.3
MOST_SHOWN = 5


@dataclass(frozen=True)
class Scope:
    """Where and since when a report looks. `repositories`: what its reader may see."""

    tx: Tx
    installation_id: int
    account: str
    since: int
    now: int
    repositories: Reach = None


class Finding(BaseModel):
    kind: str
    finding: str = Field(description="what is the case, in one sentence")
    cases: int
    evidence: list[str] = Field(description="the numbers")
    look_at: list[str] = Field(description="tasks, writes or runs to look at, the newest first")
    change: str = Field(description="the setting or command to change")


def median(values: Collection[int]) -> int:
    return quantile(values, 0.5)


def quantile(values: Collection[int], share: float) -> int:
    """The least value that so many of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(ceil(share * len(ordered)) - 1, 0)]


def percent(part: int, whole: int) -> str:
    return f"{round(100 * part / whole)} %"


def length(seconds: float) -> str:
    return span(int(seconds * SECOND))


def first_few(names: Sequence[str]) -> list[str]:
    """The first few names, each once."""
    return list(dict.fromkeys(names))[:MOST_SHOWN]
