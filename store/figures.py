"""Figures for those who watch the server: what is stuck, and what agents got done lately."""

from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.outbox import write_order
from store.tables.tasks import TaskState
from store.tasks.usage import ALL_DAYS

# Rows that the figures of an installation look at, at most: the newest.
MOST_ENDED = 2000
# How an agent is: SQL by its columns. The order decides.
AGENT_STATES = {
    "left": "left_at IS NOT NULL",
    "paused": "paused_at IS NOT NULL",
    "active": "last_active_at > :idle",
    "idle": "last_active_at > :inactive",
}


class EndedTask(TypedDict):
    state: TaskState
    created_at: int
    ended_at: int


class EndedLease(TypedDict):
    """`state`: completed, released, expired or revoked."""

    state: str
    granted_at: int
    ended_at: int


class LeaseEnds(TypedDict):
    """How the leases of all agents of an installation ended, since they registered."""

    installation_id: int
    completed: int
    failed: int
    expired: int
    released: int


class Spent(TypedDict):
    """All that agents of an installation reported. `cost` is in millionths of the currency."""

    installation_id: int
    currency: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: int


async def waiting_times(tx: Tx) -> dict[str, float]:
    """How many seconds the oldest of each kind waits, and what has no sender."""
    return {
        "writes_unknown_seconds": await _waits(
            tx, "writes", "ix_writes_state", "sending_at", "state = 'unknown'"
        ),
        "reads_waiting_seconds": await _waits(
            tx,
            "pending_reads",
            "ix_pending_reads_state",
            "asked_at",
            "state = 'queued' AND not_before <= :now AND priority < 2",
        ),
        "installations_without_sender": float(await _without_sender(tx)),
    }


async def _waits(tx: Tx, table: str, index: str, column: str, which: str) -> float:
    rows = sql.by_index(tx.dialect, table, index)
    now = await tx.now()
    given = {"now": now} if ":now" in which else {}
    row = await tx.one(f"SELECT MIN({column}) AS at FROM {rows} WHERE {which}", **given)
    oldest = row["at"] if row else None
    return (now - oldest) / 1_000_000 if oldest else 0.0


async def _without_sender(tx: Tx) -> int:
    """Installations with something due, for which no process has the sender's lease."""
    waiting = await write_order.waiting_installations(tx)
    if not waiting:
        return 0
    rows = await tx.all(
        "SELECT installation_id FROM senders WHERE installation_id IN :ids AND holder <> '' "
        "AND lease_until > :now",
        ids=tuple(waiting),
        now=await tx.now(),
    )
    return len(waiting) - len(rows)


async def agents_by_state(tx: Tx, idle_after: int, inactive_after: int) -> dict[str, int]:
    """Agents of all installations by state. The times are in microseconds."""
    now = await tx.now()
    cases = " ".join(f"WHEN {which} THEN '{state}'" for state, which in AGENT_STATES.items())
    rows = await tx.all(
        f"SELECT CASE {cases} ELSE 'inactive' END AS state, COUNT(*) AS n FROM agents "
        "GROUP BY state",
        idle=now - idle_after,
        inactive=now - inactive_after,
    )
    return dict.fromkeys((*AGENT_STATES, "inactive"), 0) | {row["state"]: row["n"] for row in rows}


async def lease_ends(tx: Tx, limit: int) -> list[LeaseEnds]:
    return await tx.all(
        "SELECT installation_id, SUM(completed) AS completed, SUM(failed) AS failed, "
        "SUM(expired) AS expired, SUM(released) AS released FROM agents "
        "GROUP BY installation_id ORDER BY installation_id LIMIT :n",
        n=limit,
    )


async def ended_tasks(tx: Tx, installation_id: int, since: int) -> list[EndedTask]:
    rows = sql.by_index(tx.dialect, "tasks", "ix_tasks_ended_of_all")
    return await tx.all(
        f"SELECT state, created_at, ended_at FROM {rows} WHERE installation_id = :i "
        "AND ended_at > :since AND state IN ('completed', 'failed', 'cancelled') "
        "ORDER BY ended_at DESC LIMIT :n",
        i=installation_id,
        since=since,
        n=MOST_ENDED,
    )


async def ended_leases(tx: Tx, installation_id: int, since: int) -> list[EndedLease]:
    rows = sql.by_index(tx.dialect, "leases", "ix_leases_ended")
    return await tx.all(
        f"SELECT state, granted_at, ended_at FROM {rows} WHERE installation_id = :i "
        "AND ended_at > :since ORDER BY ended_at DESC LIMIT :n",
        i=installation_id,
        since=since,
        n=MOST_ENDED,
    )


async def reported_spend(tx: Tx, installation_id: int) -> list[Spent]:
    return await tx.all(
        "SELECT installation_id, currency, input_tokens, output_tokens, cached_tokens, cost "
        "FROM usage_sums WHERE installation_id = :i AND scope = 'installation' "
        "AND subject = '' AND day = :day",
        i=installation_id,
        day=ALL_DAYS,
    )


# The size of the tables and their indexes on the disk.
SQLITE_BYTES = "SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size"
MYSQL_BYTES = (
    "SELECT COALESCE(SUM(data_length + index_length), 0) AS bytes "
    "FROM information_schema.tables WHERE table_schema = DATABASE()"
)


async def database_bytes(tx: Tx) -> int:
    row = await tx.one(SQLITE_BYTES if tx.dialect == "sqlite" else MYSQL_BYTES)
    return int(row["bytes"]) if row else 0
