"""The agent that claims a task, with what decides whether it may claim one."""

from store.agents.agents import decode
from store.engine import sql
from store.engine.transaction import Tx
from store.tables.agents import AgentRow
from store.tasks.leases import BEGAN_SINCE

# The open tasks of the agent `a` whose leases run. A parked lease waits for people.
WORKS_ON = (
    "(SELECT COUNT(*) FROM tasks t JOIN leases l ON l.installation_id = t.installation_id "
    "AND l.id = t.lease_id WHERE t.installation_id = a.installation_id AND t.holder = a.id "
    "AND t.state = 'in_progress' AND l.state = 'held')"
)
# How many leases it got since `:since`.
GOT = " + ".join(
    "(SELECT COUNT(*) FROM leases l WHERE l.installation_id = a.installation_id "
    f"AND l.holder = a.id AND {part})"
    for part in BEGAN_SINCE
)
HERE = "FROM agents a WHERE a.installation_id = :i AND a.id = :a"


class Applicant(AgentRow):
    """`overdue`: whether a lease of the installation has expired and nobody has ended it yet."""

    overdue: int


class Claimant(AgentRow):
    """`works_on`: on how many tasks it works. `claims`: how many it got since a time.

    `waits`: whether it may wait for other agents.
    """

    works_on: int
    claims: int
    waits: int


async def get(tx: Tx, installation_id: int, agent_id: str) -> Applicant | None:
    # Of all installations few are overdue. Of one installation all that are held would be read.
    leases = sql.by_index(tx.dialect, "leases l", "ix_leases_expiry")
    q = (
        f"SELECT a.*, EXISTS (SELECT 1 FROM {leases} WHERE l.state = 'held' "
        f"AND l.expires_at <= :now AND l.installation_id = a.installation_id) AS overdue {HERE}"
    )
    row = await tx.one(q, i=installation_id, a=agent_id, now=await tx.now())
    return decode(row) if row else None


def _waits(dialect: sql.Dialect) -> str:
    """SQL: whether it waits for an answer, or because what it holds is blocked."""
    return (
        "(EXISTS (SELECT 1 FROM consultations c WHERE c.installation_id = a.installation_id "
        "AND c.asker = a.id AND c.state = 'open') OR EXISTS (SELECT 1 FROM tasks t "
        f"{sql.IN_ORDER[dialect]} relations r ON r.installation_id = t.installation_id "
        "AND r.kind = 'blocked_by' AND r.source_id = t.issue_id "
        "WHERE t.installation_id = a.installation_id "
        "AND t.holder = a.id AND t.state IN ('in_progress', 'in_review')))"
    )


async def lock(tx: Tx, installation_id: int, agent_id: str, since: int) -> Claimant | None:
    """Lock the agent until the end of the transaction: nobody pauses it, nor does it claim more.

    The counts depend on the agent's row, so the database reads them after it got the lock.
    """
    waits = _waits(tx.dialect)
    q = f"SELECT a.*, {WORKS_ON} AS works_on, ({GOT}) AS claims, {waits} AS waits {HERE} FOR UPDATE"
    row = await tx.one(q, i=installation_id, a=agent_id, since=since)
    return decode(row) if row else None
