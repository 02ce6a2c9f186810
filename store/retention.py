"""Drops old rows, and all rows of an installation that is gone.

Each function drops one small batch and says how many rows that was.
"""

from collections.abc import Collection, Sequence

from store import events
from store.engine import sql
from store.engine.transaction import Tx
from store.mirror.mirror_rows import MIRRORED
from store.tables import TABLES
from store.tables.tasks import LeaseRow

# Rows by their state and the time that their index has beside it.
SETTLED = {
    "deliveries": "state = 'processed' AND not_before < :before",
    "commands": "state IN ('done', 'refused', 'withdrawn', 'expired') AND not_before < :before",
    "pending_reads": "state = 'answered' AND not_before < :before",
    "writes": "state IN ('sent', 'refused', 'dead', 'superseded', 'cancelled') "
    "AND not_before < :before",
    "requests": "at < :before",
}
# Rows whose key grows with time, which therefore needs no index of its own.
GROWING = {
    "events": ("seq", "at"),
    "audit": ("seq", "at"),
    "check_runs": ("id", "completed_at"),
    "workflow_jobs": ("id", "completed_at"),
    "workflow_runs": ("id", "updated_at"),
}
# What stays of one that is only suspended: it may come back, and its tasks with it.
ROOTS = ("installations", "repositories")
# What else came from GitHub, without a guard of its own.
UNGUARDED = (
    "permissions",
    "project_fields",
    "pull_files",
    "pull_links",
    "refs",
    "relations",
    "search_texts",
)


async def drop_settled(tx: Tx, table: str, before: int, limit: int) -> int:
    statement = sql.delete_some(tx.dialect, table, SETTLED[table])
    return await tx.run(statement, before=before, n=limit)


async def drop_oldest(tx: Tx, table: str, installation_id: int, before: int, limit: int) -> int:
    """Drop the oldest rows that have expired. Rows that have not ended stay."""
    key, time = GROWING[table]
    rows = await tx.all(
        f"SELECT {key} AS place, {time} AS at FROM {table} WHERE installation_id = :i "
        f"AND {time} IS NOT NULL ORDER BY {key} LIMIT :n",
        i=installation_id,
        n=limit,
    )
    old = tuple(row["place"] for row in rows if row["at"] < before)
    if not old:
        return 0
    if table == "events":
        await events.set_floor(tx, installation_id, max(old))
    q = f"DELETE FROM {table} WHERE installation_id = :i AND {key} IN :old"
    return await tx.run(q, i=installation_id, old=old)


async def drop_messages(tx: Tx, installation_id: int, before: int, limit: int) -> int:
    """Drop the oldest messages that expired by then, after their receipts."""
    rows = await tx.all(
        "SELECT id, expires_at FROM messages WHERE installation_id = :i "
        "AND expires_at IS NOT NULL ORDER BY id LIMIT :n",
        i=installation_id,
        n=limit,
    )
    old = tuple(row["id"] for row in rows if row["expires_at"] < before)
    if not old:
        return 0
    statement = sql.delete_some(
        tx.dialect, "receipts", "installation_id = :i AND message_id IN :old"
    )
    dropped = await tx.run(statement, i=installation_id, old=old, n=limit)
    if dropped < limit:
        q = "DELETE FROM messages WHERE installation_id = :i AND id IN :old"
        dropped += await tx.run(q, i=installation_id, old=old)
    return dropped


async def drop_leases(
    tx: Tx, installation_id: int, after: str, before: int, limit: int
) -> tuple[int, str]:
    """Of so many leases, oldest first, those that ended before then: how many, and where to go on.

    '' when it is time to begin anew. The last one that ended on a task stays, for a hand-off is
    made of it; so does one under which something has still to go out.
    """
    window: list[LeaseRow] = await tx.all(
        "SELECT * FROM leases WHERE installation_id = :i AND id > :after ORDER BY id LIMIT :n",
        i=installation_id,
        after=after,
        n=limit,
    )
    # They sort by when they were granted: after a young one there are no old ones.
    end = len(window) < limit or window[-1]["granted_at"] >= before
    place = "" if end else window[-1]["id"]
    old = [row for row in window if row["ended_at"] is not None and row["ended_at"] < before]
    needed = (
        await _needed_leases(tx, installation_id, {row["task_id"] for row in old}) if old else set()
    )
    if gone := [row for row in old if row["id"] not in needed]:
        q = "DELETE FROM leases WHERE installation_id = :i AND id IN :ids"
        await tx.run(q, i=installation_id, ids=tuple(row["id"] for row in gone))
        await _forget_checkpoints(tx, gone)
    return len(gone), place


async def _needed_leases(tx: Tx, installation_id: int, task_ids: Collection[str]) -> set[str]:
    """The leases that a hand-off needs, or that queued writes belong to."""
    rows = await tx.all(
        "SELECT l.id FROM leases l JOIN (SELECT task_id, MAX(fence) AS fence FROM leases "
        "WHERE installation_id = :i AND task_id IN :tasks AND state NOT IN ('held', 'parked') "
        "GROUP BY task_id) q ON q.task_id = l.task_id AND q.fence = l.fence "
        "WHERE l.installation_id = :i "
        "UNION SELECT lease_id FROM writes WHERE installation_id = :i AND task_id IN :tasks "
        "AND state IN ('queued', 'sending', 'unknown') AND lease_id IS NOT NULL",
        i=installation_id,
        tasks=tuple(task_ids),
    )
    return {row["id"] for row in rows}


async def _forget_checkpoints(tx: Tx, gone: Sequence[LeaseRow]) -> None:
    """Drop the checkpoints of these holders, unless they have another lease on the task."""
    await tx.run(
        "DELETE FROM checkpoints WHERE installation_id = :i AND agent_id IN :holders "
        "AND task_id IN :tasks AND NOT EXISTS (SELECT 1 FROM leases l WHERE "
        "l.installation_id = :i AND l.task_id = checkpoints.task_id "
        "AND l.holder = checkpoints.agent_id)",
        i=gone[0]["installation_id"],
        holders=tuple({row["holder"] for row in gone}),
        tasks=tuple({row["task_id"] for row in gone}),
    )


async def installations(tx: Tx) -> list[int]:
    rows = await tx.all("SELECT installation_id FROM installations ORDER BY installation_id")
    return [row["installation_id"] for row in rows]


async def gone_installations(tx: Tx, before: int) -> list[tuple[int, bool]]:
    """Installations that went before then, and whether for good or only suspended."""
    rows = await tx.all(
        "SELECT installation_id, deleted FROM installations WHERE gone_at < :before",
        before=before,
    )
    return [(row["installation_id"], bool(row["deleted"])) for row in rows]


async def purge(tx: Tx, installation_id: int, limit: int, *, removed: bool) -> int:
    """Drop the data; of a suspended installation only what came from GitHub. Its row goes last."""
    dropped = 0
    for table in _tables(removed=removed):
        statement = sql.delete_some(tx.dialect, table, "installation_id = :i")
        dropped += await tx.run(statement, i=installation_id, n=limit - dropped)
        if dropped >= limit:
            return dropped
    if removed:
        q = "DELETE FROM installations WHERE installation_id = :i"
        dropped += await tx.run(q, i=installation_id)
    return dropped


def _tables(*, removed: bool) -> list[str]:
    if not removed:
        return [name for name in (*MIRRORED, *UNGUARDED) if name not in ROOTS]
    owned = [t.name for t in TABLES.values() if "installation_id" in t.names]
    return [name for name in owned if name != "installations"]
