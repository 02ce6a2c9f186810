"""Corrects stored times after the clock was ahead.

On SQLite the time is that of the machine. If its clock was ahead for a while, the times stored then
lie in the future. Then waits do not end, and leases of dead processes do not expire.
"""

from dataclasses import dataclass

from store.engine.transaction import Tx

SECOND = 1_000_000
HOUR = 3600 * SECOND
# Another process may have read the clock a moment after this one.
SLACK = SECOND


@dataclass(frozen=True)
class StoredTime:
    """A column with times. `where`: the rows to check, in SQL.

    `window`: how far after now the time can lie if the clock is right, in SQL.
    """

    table: str
    column: str
    window: str
    where: str = "1 = 1"
    # The time that replaces a time beyond its window, in SQL.
    value: str = ":now"


def _time(
    table: str, column: str, window: int = 0, where: str = "1 = 1", value: str = ":now"
) -> StoredTime:
    return StoredTime(table, column, str(window), where, value)


# The window is the longest back-off of the table, or 0 for a time that is always in the past.
TIMES = (
    _time("senders", "lease_until", 180 * SECOND),
    _time("senders", "last_mutation_at"),
    _time("senders", "last_notified_at"),
    _time("spending", "last_at"),
    _time("budgets", "blocked_until", 24 * HOUR),
    _time("allowances", "full_at", 30 * SECOND, "name = 'points'"),
    _time("allowances", "full_at", HOUR, "name = 'content'"),
    _time("deliveries", "not_before", 0, "state = 'received'"),
    _time("deliveries", "not_before", 600 * SECOND, "state = 'failed'"),
    _time("commands", "not_before", 600 * SECOND, "state = 'waiting'"),
    _time("lost_deliveries", "not_before", 600 * SECOND),
    _time("pending_reads", "not_before", HOUR, "state = 'queued'"),
    _time("backfills", "not_before", HOUR, "state = 'queued'"),
    _time("backfills", "not_before", 24 * HOUR, "state = 'refused'"),
    _time("writes", "not_before", 600 * SECOND, "state IN ('queued', 'sending', 'unknown')"),
    # A day of collecting, and a day of quiet hours.
    _time("notifications", "not_before", 48 * HOUR, "state IN ('waiting', 'sending')"),
    _time("endpoint_deliveries", "not_before", 24 * HOUR, "state IN ('waiting', 'sending')"),
    _time("plugin_forwards", "not_before", 6 * HOUR, "state = 'waiting'"),
    _time("tracker_reports", "not_before", 24 * HOUR, "state IN ('queued', 'sending', 'unknown')"),
    _time("notification_sweeps", "due_at", 60 * SECOND),
    _time("receipts", "visible_at", HOUR, "state IN ('pending', 'delivered')"),
    # The lease gets its full time, as if the holder had just renewed it.
    StoredTime(
        "leases",
        "expires_at",
        "lease_s * 1000000",
        "state = 'held'",
        ":now + lease_s * 1000000",
    ),
    _time("tasks", "assigned_at", 0, "state = 'assigned'"),
    # An hour is longer than Hubbub ever waits before it looks at a run again.
    _time("agent_runs", "due_at", HOUR, "due_at IS NOT NULL"),
    # Since when Hubbub waits for GitHub's answer about a run: later ones count as the answer.
    _time("agent_runs", "asked_at", 0, "asked_at IS NOT NULL"),
    # The run gets its full time, as if it had just begun.
    StoredTime(
        "agent_runs",
        "deadline_at",
        "minutes * 60000000",
        "ended_at IS NULL AND minutes IS NOT NULL",
        ":now + minutes * 60000000",
    ),
    _time("permissions", "fetched_at"),
    _time("agents", "last_active_at"),
)


async def mend(tx: Tx, each: StoredTime) -> int:
    """Bring times that lie beyond their window back. Return how many."""
    q = (
        f"UPDATE {each.table} SET {each.column} = {each.value} "
        f"WHERE {each.where} AND {each.column} > :now + {each.window} + :slack"
    )
    return await tx.run(q, now=await tx.now(), slack=SLACK)
