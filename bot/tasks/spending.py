"""Reported spend, and the caps on it: near a cap agents are warned, at it they claim no more.

What agents report is all that Hubbub knows of their spend, and it cannot check it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.quotas.money import Caps, amount, micros
from bot.repository.repository_settings import DEFAULTS, RepositorySettings
from bot.times import DAY, stamp
from store.engine.transaction import Tx
from store.tables.usage import DRAIN, OK, STOP, WARN, Scope, SpendHoldRow, UsageSumRow
from store.tasks import spend_holds, usage
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


async def set_level(tx: Tx, cap: Cap, level: int, currency: str) -> int:
    """Store that the cap is at this level. Return the level before."""
    before = await spend_holds.get(tx, cap.holds)
    was = before["level"] if before and _is_current(before, await tx.now()) else OK
    if level == OK:
        if before is not None:
            await spend_holds.remove(tx, cap.holds)
        return was
    row: SpendHoldRow = {
        **cap.holds,
        "scope": cap.of.scope,
        "day": cap.of.day,
        "level": level,
        "cap": cap.most,
        "currency": currency,
        "since": await tx.now(),
    }
    if before is None or {**before, "since": row["since"]} != row:
        await spend_holds.put(tx, row)
    return was


def _is_current(row: SpendHoldRow, now: int) -> bool:
    return row["day"] in (usage.ALL_DAYS, today(now))


async def cap_now(
    tx: Tx, row: SpendHoldRow, caps: Caps, settings: RepositorySettings | None
) -> tuple[Cap, int] | None:
    """The cap of a stored hold as it is now, with its level. None if there is no such cap now."""
    key = spend_holds.key_of(row)
    now = await tx.now()
    for cap in caps_on(caps, settings or DEFAULTS, key, now):
        if cap.holds == key:
            found = await usage.sums(tx, row["installation_id"], [cap.of])
            return cap, level_of(cost_in(caps.currency, found[cap.of]), cap.most)
    return None


WHOSE: dict[Scope, str] = {
    "task": "on {task}",
    "agent": "by {agent} today",
    "repository": "on this repository's tasks today",
    "installation": "by all agents of the installation today",
}


def what_is_capped(row: SpendHoldRow, *, task: str, agent: str) -> str:
    """For a sentence that begins with "The reported spend"."""
    whose = WHOSE[row["scope"]].format(task=task, agent=agent)
    percent = PERCENT[row["level"]]
    return f"{whose} reached {percent} % of its cap of {amount(row['cap'])} {row['currency']}"


def how_it_ends(row: SpendHoldRow) -> str:
    """For a sentence that says what ends the hold."""
    end = ends_at(row["day"])
    return f"when the cap is raised{f', or at {stamp(end)}' if end else ''}"


async def stop_reason(
    tx: Tx, installation_id: int, *, repository_id: int, agent: str, task_id: str | None
) -> str | None:
    """Why a write of the agent waits because of a cap, if it does."""
    where = {"repository_id": repository_id, "agent_id": agent, "task_id": task_id}
    rows = await spend_holds.matching(tx, installation_id, **where)  # type: ignore[arg-type]
    if not rows or rows[0]["level"] < STOP:
        return None
    what = what_is_capped(rows[0], task="its task", agent=agent)
    return f"The reported spend {what}. It goes out {how_it_ends(rows[0])}."


def with_currency(value: int, currency: str) -> str:
    return f"{amount(value)} {currency}"
