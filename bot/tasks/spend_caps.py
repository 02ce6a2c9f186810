"""The caps on reported spend: near a cap agents are warned, at it they claim no more. Pure.

What agents report is all that Hubbub knows of their spend, and it cannot check it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.quotas.money import Caps, micros
from bot.repository.repository_settings import RepositorySettings
from bot.times import DAY
from store.tables.usage import DRAIN, OK, STOP, WARN, UsageSumRow
from store.tasks.spend_holds import HoldKey
from store.tasks.usage import SumKey

Level: TypeAlias = Literal["ok", "warn", "drain", "stop"]
LEVELS: tuple[Level, ...] = ("ok", "warn", "drain", "stop")
# At which percentage of a cap each level begins.
PERCENT = {WARN: 80, DRAIN: 100, STOP: 120}


@dataclass(frozen=True)
class Cap:
    """A cap in millionths, the sum that it is for, and what it holds."""

    of: SumKey
    most: int
    holds: HoldKey


def today(now: int) -> int:
    """The day since 1970, in UTC."""
    return now // DAY


def ends_at(day: int) -> int | None:
    """When the sum of a day begins again; None for that of all days."""
    return (day + 1) * DAY if day else None


def level_of(spent: int, cap: int) -> int:
    reached = [level for level, percent in PERCENT.items() if spent * 100 >= cap * percent]
    return max(reached, default=OK)


def sum_keys(now: int, agent: str, repository_id: int | None, task_id: str | None) -> list[SumKey]:
    """The sums to which a report adds, in the order in which all reports lock them."""
    day = today(now)
    keys = [SumKey("task", task_id)] if task_id else []
    keys += [SumKey("agent", agent), SumKey("agent", agent, day)]
    if repository_id is not None:
        keys += [SumKey("repository", str(repository_id), day)]
    return [*keys, SumKey("installation"), SumKey("installation", day=day)]


def caps_on(
    caps: Caps,
    settings: RepositorySettings,
    key: HoldKey,
    now: int,
) -> Iterator[Cap]:
    """The caps that are about work of the agent on the task of the key."""
    here, day = key["installation_id"], today(now)
    repository, agent, task = key["repository_id"], key["agent_id"], key["task_id"]
    own = settings.spend
    everywhere = HoldKey(installation_id=here, repository_id=0, agent_id="", task_id="")
    if caps.installation is not None:
        yield Cap(SumKey("installation", day=day), caps.installation, everywhere)
    of_agent = SumKey("agent", agent, day)
    if caps.agent is not None:
        yield Cap(of_agent, caps.agent, {**everywhere, "agent_id": agent})
    if not repository:
        return
    in_repository: HoldKey = {**everywhere, "repository_id": repository}
    if own and own.agent:
        yield Cap(of_agent, micros(own.agent), {**in_repository, "agent_id": agent})
    if own and own.repository:
        of_repository = SumKey("repository", str(repository), day)
        yield Cap(of_repository, micros(own.repository), in_repository)
    of_task = [most for most in (caps.task, own and own.task and micros(own.task)) if most]
    if task and of_task:
        yield Cap(SumKey("task", task), min(of_task), {**in_repository, "task_id": task})


def cost_in(currency: str, rows: Sequence[UsageSumRow]) -> int:
    return sum(row["cost"] for row in rows if row["currency"] == currency)
