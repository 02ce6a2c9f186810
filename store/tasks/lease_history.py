"""Leases as people look at them: those of a task, and those of agents with their tasks."""

from collections.abc import Sequence

from store.engine import reach, sql
from store.engine.reach import Reach
from store.engine.transaction import Tx
from store.mirror.stored_repositories import PRESENT, VISIBLE
from store.tables.tasks import LeaseRow, TaskState
from store.tasks.listing import TitledTask

# The states of leases that ended.
ENDED = ("released", "completed", "expired", "revoked")


class TaskOfLease(TitledTask):
    """A lease with the name and the state of its task."""

    holder: str
    fence: int
    state: str
    granted_at: int
    renewed_at: int
    expires_at: int | None
    ended_at: int | None
    ended_why: str | None
    task_id: str
    task_state: TaskState
    progress: int
    full_name: str


COLUMNS = (
    "l.holder, l.fence, l.state, l.granted_at, l.renewed_at, l.expires_at, l.ended_at, "
    "l.ended_why, t.id AS task_id, t.repository_id, t.number, t.title, t.outsider, "
    "t.state AS task_state, t.progress, r.full_name"
)


async def of_task(tx: Tx, installation_id: int, task_id: str, limit: int) -> list[LeaseRow]:
    """The newest leases on a task, the newest first."""
    return await tx.all(
        f"SELECT * FROM {sql.by_index(tx.dialect, 'leases', 'ix_leases_task')} "
        "WHERE installation_id = :i AND task_id = :t ORDER BY fence DESC LIMIT :n",
        i=installation_id,
        t=task_id,
        n=limit,
    )


async def live_of(
    tx: Tx, installation_id: int, holders: Sequence[str], repositories: Reach, limit: int
) -> list[TaskOfLease]:
    """The live leases of these agents, by holder, the oldest first. `limit`: of all together."""
    if not holders:
        return []
    return await tx.all(
        f"{_select(tx, repositories)} AND l.holder IN :holders AND l.state IN ('held', 'parked') "
        "ORDER BY l.holder, l.granted_at LIMIT :n",
        i=installation_id,
        holders=tuple(holders),
        n=limit,
        **reach.parameters(repositories),
    )


async def ended_of(
    tx: Tx, installation_id: int, holder: str, repositories: Reach, limit: int
) -> list[TaskOfLease]:
    """The leases of an agent that ended last, the newest first."""
    found: list[TaskOfLease] = []
    for state in ENDED:
        found += await tx.all(
            f"{_select(tx, repositories)} AND l.holder = :h AND l.state = :state "
            "ORDER BY l.ended_at DESC LIMIT :n",
            i=installation_id,
            h=holder,
            state=state,
            n=limit,
            **reach.parameters(repositories),
        )
    return sorted(found, key=lambda each: -(each["ended_at"] or 0))[:limit]


def _select(tx: Tx, repositories: Reach) -> str:
    """SQL: leases in the order of their index, each with its task that the caller may see."""
    join = sql.IN_ORDER[tx.dialect]
    return (
        f"SELECT {COLUMNS} "
        f"FROM {sql.by_index(tx.dialect, 'leases l', 'ix_leases_holder')} "
        f"{join} tasks t ON t.installation_id = l.installation_id AND t.id = l.task_id "
        "JOIN repositories r ON r.installation_id = t.installation_id AND r.id = t.repository_id "
        f"WHERE l.installation_id = :i AND {VISIBLE} AND {PRESENT}"
        f"{reach.within(repositories, 't.repository_id')}"
    )
