"""What caps on reported spend hold by now, and the sentences about it."""

from bot.quotas.money import Caps, with_currency
from bot.repository.repository_settings import DEFAULTS, RepositorySettings
from bot.tasks import spend_caps
from bot.tasks.spend_caps import PERCENT, Cap
from bot.times import stamp
from store.engine.transaction import Tx
from store.tables.usage import OK, STOP, Scope, SpendHoldRow
from store.tasks import spend_holds, usage


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
    return row["day"] in (usage.ALL_DAYS, spend_caps.today(now))


async def cap_now(
    tx: Tx, row: SpendHoldRow, caps: Caps, settings: RepositorySettings | None
) -> tuple[Cap, int] | None:
    """The cap of a stored hold as it is now, with its level. None if there is no such cap now."""
    key = spend_holds.key_of(row)
    now = await tx.now()
    for cap in spend_caps.caps_on(caps, settings or DEFAULTS, key, now):
        if cap.holds == key:
            found = await usage.sums(tx, row["installation_id"], [cap.of])
            cost = spend_caps.cost_in(caps.currency, found[cap.of])
            return cap, spend_caps.level_of(cost, cap.most)
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
    percent, cap = PERCENT[row["level"]], with_currency(row["cap"], row["currency"])
    return f"{whose} reached {percent} % of its cap of {cap}"


def how_it_ends(row: SpendHoldRow) -> str:
    """For a sentence that says what ends the hold."""
    end = spend_caps.ends_at(row["day"])
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
