"""How many tasks are in each state, counted up to a limit."""

from store.engine import reach, sql
from store.engine.reach import Reach
from store.engine.transaction import Tx
from store.mirror.stored_repositories import PRESENT, VISIBLE
from store.tables.tasks import TaskState
from store.tasks.tasks import ITS_REPOSITORY


async def by_state(
    tx: Tx,
    installation_id: int,
    states: tuple[TaskState, ...],
    repository_id: int | None,
    repositories: Reach,
    most: int,
) -> dict[TaskState, int]:
    """The number of tasks in each of these states; `most` if there are so many, or more."""
    given = reach.parameters(repositories)
    where = reach.within(repositories, "t.repository_id")
    index = "ix_tasks_newest"
    if repository_id is not None:
        where, given["r"] = f"{where} AND t.repository_id = :r", repository_id
    if repository_id is not None or reach.is_one(repositories):
        index = "ix_tasks_newest_in"
    found: dict[TaskState, int] = {}
    for state in states:
        row = await tx.one(
            "SELECT COUNT(*) AS n FROM (SELECT 1 AS yes "
            f"FROM {sql.by_index(tx.dialect, 'tasks t', index)} "
            f"JOIN repositories r ON {ITS_REPOSITORY} "
            f"WHERE t.installation_id = :i AND t.state = :state AND {VISIBLE} AND {PRESENT}"
            f"{where} LIMIT :n) q",
            i=installation_id,
            state=state,
            n=most,
            **given,
        )
        found[state] = int(row["n"]) if row else 0
    return found
