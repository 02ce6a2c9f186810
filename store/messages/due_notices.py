"""Which notices an agent should get with its next answer."""

from functools import cache
from typing import TypedDict

from store.engine import reach, sql
from store.engine.reach import Reach
from store.engine.transaction import Row, Tx
from store.messages.mailbox import UNANNOUNCED
from store.messages.stored_notices import UNSEEN
from store.tables.tasks import CONFIRMED, LeaseRow

# A lease is ending when less than this is left: a fifth of it, at least a minute, at most half.
ENDING = (
    "CASE WHEN lease_s >= 300 THEN lease_s * 200000 WHEN lease_s >= 120 THEN 60000000 "
    "ELSE lease_s * 500000 END"
)
MINE = "installation_id = :i AND holder = :a"
ENDS = f"{MINE} AND state = 'held' AND expires_at > :now AND expires_at < :now + {ENDING}"
# The answer to the claim may have been lost.
UNCONFIRMED = f"{MINE} AND state = 'held' AND known < {CONFIRMED}"
# For each kind of notice the rows that make it due.
DUE_IF_EXISTS = {
    # What happened, see `store.messages.stored_notices`.
    "recorded": f"notices WHERE {UNSEEN}",
    "also_held": f"{{leases}} WHERE {UNCONFIRMED}",
    "lease_ending": f"{{leases}} WHERE {ENDS}",
    "message": f"receipts WHERE {UNANNOUNCED}",
    "write_failed": "writes WHERE installation_id = :i AND author = :a AND told_at IS NULL "
    "AND state IN ('refused', 'dead', 'cancelled') AND finished_at >= :since",
    "stuck": "tasks WHERE installation_id = :i AND stuck_at >= :since",
}
# Only for tech-leads.
OF_LEADS = frozenset({"stuck"})


class UnconfirmedLease(TypedDict):
    """A live lease of which its holder may not know."""

    id: str
    task_id: str
    fence: int
    granted_at: int
    known: int


def _leases_of_holder(dialect: sql.Dialect) -> str:
    return sql.by_index(dialect, "leases", "ix_leases_holder")


@cache
def columns(dialect: sql.Dialect, *, leads: bool) -> str:
    """For each kind a column, which needs :i, :a, :now and :since.

    Nothing older than `since` counts. `leads`: also what tech-leads get.
    """
    leases = _leases_of_holder(dialect)
    return ", ".join(
        f"EXISTS (SELECT 1 FROM {rows.format(leases=leases)}) AS {kind}"
        for kind, rows in DUE_IF_EXISTS.items()
        if leads or kind not in OF_LEADS
    )


def kinds_in(row: Row) -> list[str]:
    """The kinds that are due, from these columns."""
    return [kind for kind in DUE_IF_EXISTS if row.get(kind)]


async def unconfirmed_leases(
    tx: Tx, installation_id: int, agent_id: str, limit: int, repositories: Reach = None
) -> list[UnconfirmedLease]:
    """Live leases of which the holder may not know, the oldest first."""
    leases = _leases_of_holder(tx.dialect)
    read = ", ".join(UnconfirmedLease.__annotations__)
    q = (
        f"SELECT {read} FROM {leases} WHERE {UNCONFIRMED}{reach.of_task(repositories, 'task_id')} "
        "ORDER BY granted_at, id LIMIT :n"
    )
    more = reach.parameters(repositories)
    return await tx.all(q, i=installation_id, a=agent_id, n=limit, **more)


async def ending_leases(
    tx: Tx, installation_id: int, agent_id: str, now: int, limit: int, repositories: Reach = None
) -> list[LeaseRow]:
    return await tx.all(
        f"SELECT * FROM {_leases_of_holder(tx.dialect)} WHERE {ENDS}"
        f"{reach.of_task(repositories, 'task_id')} ORDER BY expires_at LIMIT :n",
        i=installation_id,
        a=agent_id,
        now=now,
        n=limit,
        **reach.parameters(repositories),
    )


async def stuck_tasks(
    tx: Tx, installation_id: int, since: int, limit: int, repositories: Reach = None
) -> list[str]:
    """Ids of the tasks that Hubbub put on hold since then, because nobody got them done."""
    q = (
        "SELECT id FROM tasks WHERE installation_id = :i AND stuck_at >= :since"
        f"{reach.within(repositories, 'repository_id')} ORDER BY stuck_at DESC LIMIT :n"
    )
    more = reach.parameters(repositories)
    return [row["id"] for row in await tx.all(q, i=installation_id, since=since, n=limit, **more)]
