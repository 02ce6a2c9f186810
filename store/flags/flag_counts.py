"""How calls ended with a flag on and off, by installation and hour."""

from dataclasses import dataclass
from typing import NamedTuple

from store.engine import sql
from store.engine.transaction import Tx

HOUR = 3600 * 1_000_000


class Arm(NamedTuple):
    """The calls of one installation with a flag on, or with it off."""

    installation_id: int
    name: str
    is_on: bool


@dataclass
class Count:
    calls: int = 0
    errors: int = 0

    def add(self, *, is_error: bool) -> None:
        self.calls += 1
        self.errors += is_error


async def add(tx: Tx, arm: Arm, count: Count) -> None:
    """Add what this process counted."""
    here = {"i": arm.installation_id, "name": arm.name, "is_on": int(arm.is_on)}
    here |= {"h": await tx.now() // HOUR, "calls": count.calls, "errors": count.errors}
    key = ("installation_id", "name", "is_on", "hour")
    new = sql.insert_new(tx.dialect, "flag_counts", (*key, "calls", "errors"), key)
    first = {"installation_id": here["i"], "hour": here["h"], "calls": 0, "errors": 0}
    await tx.run(new, **first, name=arm.name, is_on=here["is_on"])
    await tx.run(
        "UPDATE flag_counts SET calls = calls + :calls, errors = errors + :errors "
        "WHERE installation_id = :i AND name = :name AND is_on = :is_on AND hour = :h",
        **here,
    )


async def sums(tx: Tx, since: int) -> dict[tuple[str, bool], Count]:
    """By flag and arm: the calls and errors of all installations since this time."""
    rows = await tx.all(
        "SELECT name, is_on, SUM(calls) AS calls, SUM(errors) AS errors FROM "
        f"{sql.by_index(tx.dialect, 'flag_counts', 'ix_flag_counts_hour')} "
        "WHERE hour >= :h GROUP BY name, is_on",
        h=since // HOUR,
    )
    return {
        (row["name"], bool(row["is_on"])): Count(int(row["calls"]), int(row["errors"]))
        for row in rows
    }


async def forget_on(tx: Tx, name: str) -> None:
    """Drop what was counted with the flag on: the next attempt is judged by itself."""
    await tx.run("DELETE FROM flag_counts WHERE name = :name AND is_on = 1", name=name)


async def drop(tx: Tx, before: int, limit: int) -> int:
    """Drop old counts."""
    statement = sql.delete_some(tx.dialect, "flag_counts", "hour < :h")
    return await tx.run(statement, h=before // HOUR, n=limit)
