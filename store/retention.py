"""Drops old rows, and all rows of an installation that is gone.

Each function drops one small batch and returns how many rows it dropped.
"""

from collections.abc import Collection, Sequence

from store import events
from store.engine import sql
from store.engine.transaction import Tx
from store.files import attachments
from store.mirror.mirror_rows import MIRRORED
from store.tables import TABLES
from store.tables.tasks import LeaseRow

# For each table, the rows that nothing changes any more, by the columns of an index.
SETTLED = {
    "deliveries": "state = 'processed' AND not_before < :before",
    "commands": "state IN ('done', 'refused', 'withdrawn', 'expired') AND not_before < :before",
    "pending_reads": "state = 'answered' AND not_before < :before",
    "writes": "state IN ('sent', 'refused', 'dead', 'superseded', 'cancelled') "
    "AND not_before < :before",
    "requests": "at < :before",
    "head_checks": "at < :before",
    "mount_log": "at < :before",
    "endpoint_deliveries": "state IN ('delivered', 'failed', 'dropped') AND not_before < :before",
    "notifications": "state IN ('sent', 'dead') AND not_before < :before",
    "tracker_reports": "state IN ('sent', 'dropped', 'dead') AND not_before < :before",
    "notices": "created_at < :before",
    "plugin_card_lines": "updated_at < :before",
    "plugin_forwards": "state IN ('delivered', 'dead') AND not_before < :before",
    "credentials": "expires_at < :before",
    "tool_cache": "expires_at < :before",
    # The sums of all days stay.
    "usage_sums": "day > 0 AND last_at < :before",
}
# Tables whose key grows with time, so that the time needs no index: the key and the time.
GROWING = {
    "events": ("seq", "at"),
    "verdicts": ("write_id", "at"),
    "endpoint_turns": ("delivery_id", "at"),
    "protocol_contexts": ("task_id", "at"),
    "usage_reports": ("id", "at"),
    "agent_runs": ("id", "ended_at"),
    "check_runs": ("id", "completed_at"),
    "workflow_jobs": ("id", "completed_at"),
    "workflow_runs": ("id", "updated_at"),
    "tool_calls": ("id", "at"),
    "tool_usage": ("day", "day"),
}
# Tables that keep the rows of a suspended installation, because it may return with its tasks.
KEPT_WHILE_SUSPENDED = ("installations", "repositories")
# Tables with data of GitHub whose rows have no `version`.
WITHOUT_VERSION = (
    "code_objects",
    "permissions",
    "project_fields",
    "pull_files",
    "pull_links",
    "refs",
    "relations",
    "search_texts",
)


async def drop_settled(tx: Tx, table: str, before: int, limit: int) -> int:
    """Drop rows of one installation. Call again until none are left."""
    q = f"SELECT installation_id FROM {table} WHERE {SETTLED[table]} LIMIT 1"
    first = await tx.one(q, before=before)
    if first is None:
        return 0
    where = f"installation_id = :i AND {SETTLED[table]}"
    statement = sql.delete_some(tx.dialect, table, where)
    return await tx.run(statement, i=first["installation_id"], before=before, n=limit)


async def drop_budget_samples(tx: Tx, installation_id: int, before: int, limit: int) -> int:
    where = "installation_id = :i AND at < :before"
    statement = sql.delete_some(tx.dialect, "budget_samples", where)
    return await tx.run(statement, i=installation_id, before=before, n=limit)


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
    """Drop the oldest messages that expired before a time. Their receipts are dropped first.

    With a question goes its consultation.
    """
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
        dropped += await drop_bare_messages(tx, installation_id, old)
    return dropped


async def drop_bare_messages(tx: Tx, installation_id: int, ids: Sequence[str]) -> int:
    """Drop messages without receipts, with the consultations that they began."""
    given = {"i": installation_id, "ids": tuple(ids)}
    for table, column in (("consultation_answers", "consultation_id"), ("consultations", "id")):
        q = f"DELETE FROM {table} WHERE installation_id = :i AND {column} IN :ids"
        await tx.run(q, **given)
    await attachments.detach(tx, installation_id, "message", ids, await tx.now())
    q = "DELETE FROM messages WHERE installation_id = :i AND id IN :ids"
    return await tx.run(q, **given)


async def drop_workflows(tx: Tx, installation_id: int, before: int, limit: int) -> int:
    """Drop workflows that ended before a time, with their steps. The tasks of the steps stay."""
    ended = sql.by_index(tx.dialect, "workflows", "ix_workflows_ended")
    rows = await tx.all(
        f"SELECT id FROM {ended} WHERE installation_id = :i AND ended_at < :before "
        "ORDER BY ended_at LIMIT :n",
        i=installation_id,
        before=before,
        n=limit,
    )
    old = tuple(row["id"] for row in rows)
    if old:
        await drop_rows_of_workflows(tx, installation_id, old)
    return len(old)


async def drop_rows_of_workflows(tx: Tx, installation_id: int, ids: Sequence[str]) -> None:
    """Drop these workflows with their steps, at most a hundred for each, and what belongs to them.

    The offers go first, because steps name them.
    """
    steps = "SELECT task_id FROM workflow_steps WHERE installation_id = :i AND workflow_id IN :old"
    for table, which in (
        ("step_offers", f"task_id IN ({steps})"),
        ("gate_votes", "workflow_id IN :old"),
        ("workflow_needs", "workflow_id IN :old"),
        ("workflow_steps", "workflow_id IN :old"),
        ("workflows", "id IN :old"),
    ):
        q = f"DELETE FROM {table} WHERE installation_id = :i AND {which}"
        await tx.run(q, i=installation_id, old=tuple(ids))


async def drop_leases(
    tx: Tx, installation_id: int, after: str, before: int, limit: int
) -> tuple[int, str]:
    """Drop leases that ended before a time. Return how many, and the id to continue after.

    It looks at `limit` leases, oldest first. The id is '' when all old leases were looked at. A
    lease stays if a hand-off or a queued write needs it.
    """
    looked_at: list[LeaseRow] = await tx.all(
        "SELECT * FROM leases WHERE installation_id = :i AND id > :after ORDER BY id LIMIT :n",
        i=installation_id,
        after=after,
        n=limit,
    )
    # Ids grow with the time of the grant, so after a young lease there are no old ones.
    is_end = len(looked_at) < limit or looked_at[-1]["granted_at"] >= before
    place = "" if is_end else looked_at[-1]["id"]
    old = [row for row in looked_at if row["ended_at"] is not None and row["ended_at"] < before]
    return await _drop_unneeded(tx, installation_id, old), place


async def _drop_unneeded(tx: Tx, installation_id: int, old: Sequence[LeaseRow]) -> int:
    """Drop these leases unless something needs them. Return how many were dropped."""
    if not old:
        return 0
    needed = await _needed_leases(tx, installation_id, {row["task_id"] for row in old})
    unneeded = [row for row in old if row["id"] not in needed]
    if unneeded:
        q = "DELETE FROM leases WHERE installation_id = :i AND id IN :ids"
        await tx.run(q, i=installation_id, ids=tuple(row["id"] for row in unneeded))
        await _drop_checkpoints(tx, unneeded)
    return len(unneeded)


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


async def _drop_checkpoints(tx: Tx, dropped: Sequence[LeaseRow]) -> None:
    """Drop the checkpoints of these leases' holders that have no other lease on the task."""
    await tx.run(
        "DELETE FROM checkpoints WHERE installation_id = :i AND agent_id IN :holders "
        "AND task_id IN :tasks AND NOT EXISTS (SELECT 1 FROM leases l WHERE "
        "l.installation_id = :i AND l.task_id = checkpoints.task_id "
        "AND l.holder = checkpoints.agent_id)",
        i=dropped[0]["installation_id"],
        holders=tuple({row["holder"] for row in dropped}),
        tasks=tuple({row["task_id"] for row in dropped}),
    )


async def installations(tx: Tx) -> list[int]:
    rows = await tx.all("SELECT installation_id FROM installations ORDER BY installation_id")
    return [row["installation_id"] for row in rows]


async def gone_installations(tx: Tx, before: int) -> list[tuple[int, bool]]:
    """Installations that were removed or suspended before a time, and whether they were removed."""
    rows = await tx.all(
        "SELECT installation_id, deleted FROM installations WHERE gone_at < :before",
        before=before,
    )
    return [(row["installation_id"], bool(row["deleted"])) for row in rows]


async def purge(tx: Tx, installation_id: int, limit: int, *, removed: bool) -> int:
    """Drop rows of an installation that is gone. Return how many.

    If it is only suspended, rows that came from GitHub are dropped, and its tasks stay.
    """
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
        return [name for name in (*MIRRORED, *WITHOUT_VERSION) if name not in KEPT_WHILE_SUSPENDED]
    owned = [t.name for t in TABLES.values() if "installation_id" in t.names]
    return [name for name in owned if name != "installations"]
