"""Pages of tasks, newest or last changed first, as `list_tasks` shows them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from store.engine import reach, sql
from store.engine.reach import Reach
from store.engine.transaction import Tx
from store.mirror.stored_repositories import PRESENT, VISIBLE
from store.tables.tasks import TaskState
from store.tasks import index_order
from store.tasks.blocking import waits_for_nothing
from store.tasks.tasks import ENDED, ITS_REPOSITORY, SELECT, FullTask, decode

# A subquery for one value, because for an EXISTS MySQL lists and sorts all issues with the label.
LABELLED = (
    " AND (SELECT INSTR(x.labels, :label) FROM search_texts x "
    "WHERE x.installation_id = t.installation_id AND x.repository_id = t.repository_id "
    "AND x.number = t.number AND x.row_id = 0 LIMIT 1) > 0"
)
ASSIGNED = (
    " AND (SELECT INSTR(LOWER(x.assignees), :assignee) FROM issues x "
    "WHERE x.installation_id = t.installation_id AND x.id = t.issue_id) > 0"
)


class TitledTask(TypedDict):
    """The title of a task, and what says whether callers may see it."""

    repository_id: int
    number: int | None
    title: str
    outsider: str | None


class ListedTask(TitledTask):
    """The columns of a task that a line of a list shows, and its repository's name."""

    id: str
    issue_id: int | None
    state: TaskState
    held: int
    priority: int
    capabilities: list[str]
    holder: str | None
    last_holder: str | None
    assigned_to: str | None
    pull_number: int | None
    created_at: int
    updated_at: int
    full_name: str


LISTED = ", ".join(f"t.{each}" for each in ListedTask.__annotations__ if each != "full_name")
SELECT_LISTED = (
    f"SELECT {LISTED}, r.full_name FROM tasks t JOIN repositories r ON {ITS_REPOSITORY} "
    f"WHERE t.installation_id = :i AND {VISIBLE} AND {PRESENT}"
)


@dataclass(frozen=True)
class Sought:
    """Filters of a list of tasks.

    `label` and `assignee` are those of the issue, in any letter case. `holder`: of an ended task
    the last one. `blocked`: only tasks that wait for others, or only those that do not.
    """

    states: tuple[str, ...]
    repository_id: int | None = None
    holder: str | None = None
    blocked: bool | None = None
    label: str | None = None
    assignee: str | None = None
    # Those within the caller's reach.
    repositories: Reach = None
    # The last changed first, not the newest.
    by_change: bool = False

    @property
    def order(self) -> Literal["created_at", "updated_at"]:
        """The time by which the list is sorted, the latest first."""
        return "updated_at" if self.by_change else "created_at"

    @property
    def is_in_one(self) -> bool:
        """Whether all tasks are in one repository."""
        return self.repository_id is not None or reach.is_one(self.repositories)


async def page(
    tx: Tx, installation_id: int, sought: Sought, after: tuple[int, str] | None, limit: int
) -> list[FullTask]:
    """A page of tasks."""
    return decode(await _page(tx, installation_id, SELECT, sought, after, limit))


async def listed_page(
    tx: Tx, installation_id: int, sought: Sought, after: tuple[int, str] | None, limit: int
) -> list[ListedTask]:
    """A page of tasks, with what a line of a list shows."""
    return decode(await _page(tx, installation_id, SELECT_LISTED, sought, after, limit))


async def changes(tx: Tx, installation_id: int, task_ids: Sequence[str]) -> list[tuple[int, str]]:
    """When each of these tasks changed, with its id, the last one first."""
    q = "SELECT updated_at, id FROM tasks WHERE installation_id = :i AND id IN :ids"
    rows = await tx.all(q, i=installation_id, ids=tuple(task_ids))
    return sorted(((row["updated_at"], row["id"]) for row in rows), reverse=True)


async def _page(
    tx: Tx,
    installation_id: int,
    select: str,
    sought: Sought,
    after: tuple[int, str] | None,
    limit: int,
) -> list[Any]:
    where, more = _where(sought, tx.dialect)
    at = sought.order
    if after is not None:
        where += f" AND t.{at} <= :at AND (t.{at} < :at OR t.id < :id)"
        more |= {"at": after[0], "id": after[1]}
    named = {f"state_{n}": state for n, state in enumerate(sought.states)}
    parts = tuple(
        (_index(state, sought), f"t.state = :{name}{_held_by(state, sought.holder)}{where}")
        for name, state in named.items()
    )
    q = index_order.first_of_parts(tx.dialect, parts, f"{at} DESC, id DESC", select)
    return await tx.all(q, i=installation_id, n=limit, **named, **more)


def _where(sought: Sought, dialect: sql.Dialect) -> tuple[str, dict[str, Any]]:
    """The conditions that are the same for each state, and their parameters."""
    where, given = "", dict[str, Any]()
    if sought.repository_id is not None:
        where, given["r"] = " AND t.repository_id = :r", sought.repository_id
    where += reach.within(sought.repositories, "t.repository_id")
    given |= reach.parameters(sought.repositories)
    if sought.holder is not None:
        given["h"] = sought.holder
    if sought.label is not None:
        where, given["label"] = where + LABELLED, f"\n{sought.label.casefold()}\n"
    if sought.assignee is not None:
        where, given["assignee"] = where + ASSIGNED, json.dumps(sought.assignee.casefold())
    if sought.blocked is not None:
        where += f" AND {'NOT ' if sought.blocked else ''}({waits_for_nothing(dialect)})"
    return where, given


def _held_by(state: str, holder: str | None) -> str:
    """An ended task has no holder any more, but a last one."""
    if holder is None:
        return ""
    return f" AND t.{'last_holder' if state in ENDED else 'holder'} = :h"


def _index(state: str, sought: Sought) -> str:
    """The index in whose order the tasks are read."""
    if sought.by_change:
        return "ix_tasks_changed_in" if sought.is_in_one else "ix_tasks_changed"
    if sought.holder is not None:
        return "ix_tasks_last_of" if state in ENDED else "ix_tasks_newest_of"
    return "ix_tasks_newest_in" if sought.is_in_one else "ix_tasks_newest"
