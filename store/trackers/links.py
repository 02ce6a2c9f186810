"""Issues of foreign trackers, and the tasks that they became."""

from collections.abc import Collection, Sequence
from typing import Any

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.trackers import LinkState, TrackerLinkRow

COLUMNS = tuple(TrackerLinkRow.__annotations__)
KEY = ("installation_id", "tracker_id", "foreign_id")
JSON = ("content", "written", "pending", "kept")
COUNTED: tuple[LinkState, ...] = ("waiting", "linked", "gone")


async def add(tx: Tx, rows: Sequence[TrackerLinkRow]) -> None:
    if rows:
        await tx.many(sql.insert("tracker_links", COLUMNS), [_encode(dict(row)) for row in rows])


async def of_ids(
    tx: Tx, installation_id: int, tracker_id: str, foreign_ids: Collection[str]
) -> dict[str, TrackerLinkRow]:
    """Lock those of these issues that are known."""
    if not foreign_ids:
        return {}
    rows = await tx.all(
        "SELECT * FROM tracker_links WHERE installation_id = :i AND tracker_id = :t "
        "AND foreign_id IN :ids ORDER BY foreign_id FOR UPDATE",
        i=installation_id,
        t=tracker_id,
        ids=sorted(foreign_ids),
    )
    return {row["foreign_id"]: decode(row) for row in rows}


async def lock(
    tx: Tx, installation_id: int, tracker_id: str, foreign_id: str
) -> TrackerLinkRow | None:
    return (await of_ids(tx, installation_id, tracker_id, [foreign_id])).get(foreign_id)


async def change(tx: Tx, row: TrackerLinkRow, **values: Any) -> None:
    """Set columns of a link."""
    sets = ", ".join(f"{c} = :{c}" for c in values)
    await tx.run(
        f"UPDATE tracker_links SET {sets}, updated_at = :now WHERE installation_id = :i "
        "AND tracker_id = :t AND foreign_id = :f",
        now=await tx.now(),
        i=row["installation_id"],
        t=row["tracker_id"],
        f=row["foreign_id"],
        **_encode(values),
    )


async def remove(tx: Tx, row: TrackerLinkRow) -> None:
    await tx.run(
        "DELETE FROM tracker_links WHERE installation_id = :i AND tracker_id = :t "
        "AND foreign_id = :f",
        i=row["installation_id"],
        t=row["tracker_id"],
        f=row["foreign_id"],
    )


async def due(tx: Tx, installation_id: int, tracker_id: str, limit: int) -> list[str]:
    """Linked issues to compare with their tasks."""
    index = sql.by_index(tx.dialect, "tracker_links", "ix_tracker_links_due")
    rows = await tx.all(
        f"SELECT foreign_id FROM {index} WHERE installation_id = :i AND tracker_id = :t "
        "AND due_at <= :now ORDER BY due_at LIMIT :n",
        i=installation_id,
        t=tracker_id,
        now=await tx.now(),
        n=limit,
    )
    return [row["foreign_id"] for row in rows]


async def waiting(tx: Tx, installation_id: int, tracker_id: str, limit: int) -> list[str]:
    """Issues without a task, the oldest first."""
    index = sql.by_index(tx.dialect, "tracker_links", "ix_tracker_links_state")
    rows = await tx.all(
        f"SELECT foreign_id FROM {index} WHERE installation_id = :i AND tracker_id = :t "
        "AND state = 'waiting' ORDER BY number LIMIT :n",
        i=installation_id,
        t=tracker_id,
        n=limit,
    )
    return [row["foreign_id"] for row in rows]


async def to_look_at(
    tx: Tx, installation_id: int, tracker_id: str, limit: int
) -> list[TrackerLinkRow]:
    """Issues to look at alone."""
    index = sql.by_index(tx.dialect, "tracker_links", "ix_tracker_links_look")
    rows = await tx.all(
        f"SELECT * FROM {index} WHERE installation_id = :i AND tracker_id = :t "
        "AND look_at <= :now ORDER BY look_at LIMIT :n",
        i=installation_id,
        t=tracker_id,
        now=await tx.now(),
        n=limit,
    )
    return [decode(row) for row in rows]


async def next_times(tx: Tx, installation_id: int, tracker_id: str) -> list[int]:
    """When the next comparison and the next look are due."""
    row = await tx.one(
        "SELECT (SELECT MIN(due_at) FROM tracker_links WHERE installation_id = :i "
        "AND tracker_id = :t) AS compare, (SELECT MIN(look_at) FROM tracker_links "
        "WHERE installation_id = :i AND tracker_id = :t) AS look",
        i=installation_id,
        t=tracker_id,
    )
    found = (row["compare"], row["look"]) if row else ()
    return [each for each in found if each is not None]


async def compare_all(tx: Tx, installation_id: int, tracker_id: str) -> None:
    """Compare all linked issues, because the rules changed."""
    await tx.run(
        "UPDATE tracker_links SET due_at = :now WHERE installation_id = :i AND tracker_id = :t "
        "AND state = 'linked'",
        now=await tx.now(),
        i=installation_id,
        t=tracker_id,
    )


async def compare_tasks(
    tx: Tx, installation_id: int, tracker_id: str, task_ids: Collection[str]
) -> None:
    """Compare the issues of these tasks."""
    if task_ids:
        await tx.run(
            "UPDATE tracker_links SET due_at = :now WHERE installation_id = :i "
            "AND task_id IN :tasks AND tracker_id = :t AND state <> 'waiting'",
            now=await tx.now(),
            i=installation_id,
            t=tracker_id,
            tasks=sorted(task_ids),
        )


async def look_at_missing(tx: Tx, installation_id: int, tracker_id: str, sweep: int) -> None:
    """Look alone at those that the last look at all issues did not show."""
    await tx.run(
        "UPDATE tracker_links SET look_at = :now WHERE installation_id = :i AND tracker_id = :t "
        "AND state IN ('waiting', 'linked') AND sweep < :s AND look_at IS NULL",
        now=await tx.now(),
        i=installation_id,
        t=tracker_id,
        s=sweep,
    )


async def mark_seen(
    tx: Tx, installation_id: int, tracker_id: str, foreign_ids: Collection[str], sweep: int
) -> None:
    if foreign_ids:
        await tx.run(
            "UPDATE tracker_links SET sweep = :s WHERE installation_id = :i AND tracker_id = :t "
            "AND foreign_id IN :ids",
            i=installation_id,
            t=tracker_id,
            ids=sorted(foreign_ids),
            s=sweep,
        )


async def counts(tx: Tx, installation_id: int) -> dict[str, dict[str, int]]:
    """By tracker, how many links there are in each state."""
    q = (
        "SELECT tracker_id, state, COUNT(*) AS n FROM tracker_links WHERE installation_id = :i "
        "GROUP BY tracker_id, state"
    )
    found: dict[str, dict[str, int]] = {}
    for row in await tx.all(q, i=installation_id):
        found.setdefault(row["tracker_id"], {})[row["state"]] = row["n"]
    return found


async def newest(tx: Tx, installation_id: int, tracker_id: str, limit: int) -> list[TrackerLinkRow]:
    """Those with the highest numbers first."""
    rows = await tx.all(
        "SELECT * FROM tracker_links WHERE installation_id = :i AND tracker_id = :t "
        "ORDER BY number DESC LIMIT :n",
        i=installation_id,
        t=tracker_id,
        n=limit,
    )
    return [decode(row) for row in rows]


def decode(row: Any) -> TrackerLinkRow:
    found: TrackerLinkRow = row | {c: json_text.value(row[c]) for c in JSON if row[c] is not None}
    return found


def _encode(values: dict[str, Any]) -> dict[str, Any]:
    return values | {c: json_text.text(values[c]) for c in JSON if values.get(c) is not None}
