"""Which tasks may be claimed, best first: highest priority, fewest failures, first in the queue."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from store.engine import reach, sql
from store.engine.reach import Reach
from store.engine.transaction import Tx
from store.mirror import dependency_cycles, relations
from store.mirror.relations import Neighbour
from store.mirror.stored_repositories import PRESENT, VISIBLE
from store.tables.tasks import TaskRow
from store.tasks import index_order, spend_holds
from store.tasks.blocking import waits_for_nothing
from store.tasks.listing import LABELLED
from store.tasks.tasks import (
    ANY,
    COLUMNS_TO_LOCK,
    ITS_REPOSITORY,
    SELECT,
    FullTask,
    decode,
)

# The most urgent first.
PRIORITIES = (2, 1, 0)
FREE = "t.held = 0 AND t.lease_id IS NULL AND t.number IS NOT NULL"
MET_ON_MYSQL = "(t.capabilities = '[]' OR JSON_CONTAINS(:met, t.capabilities))"
# Tasks that need no capability that the agent lacks.
MET: dict[sql.Dialect, str] = {
    "sqlite": "(t.capabilities = '[]' OR NOT EXISTS (SELECT 1 FROM json_each(t.capabilities) n "
    "WHERE n.value NOT IN (SELECT m.value FROM json_each(:met) m)))",
    "mysql": MET_ON_MYSQL,
    "mariadb": MET_ON_MYSQL,
}
# Tasks that the agent released itself and that nobody has claimed since.
GIVEN_BACK = (
    "EXISTS (SELECT 1 FROM {leases} WHERE g.installation_id = t.installation_id "
    "AND g.task_id = t.id AND g.fence = t.fence AND g.holder = :by AND g.state = 'released')"
)
# The role that a step of a workflow asks for: JSON, which has quotation marks but on SQLite.
ROLE = "CAST(JSON_EXTRACT(z.definition, '$.role') AS CHAR)"
FOR_ROLES = (
    "EXISTS (SELECT 1 FROM workflow_steps z WHERE z.installation_id = t.installation_id "
    f"AND z.task_id = t.id AND {ROLE} IN :roles)"
)
AFTER = (
    " AND (t.failures > :failures OR (t.failures = :failures AND (t.queued_at > :queued_at "
    "OR (t.queued_at = :queued_at AND t.id > :id))))"
)
AFTER_ALL = f" AND (t.priority < :priority OR (t.priority = :priority{AFTER}))"
ORDER = "priority DESC, failures, queued_at, id"
CANDIDATES = (
    "SELECT t.id, t.priority, t.failures, t.queued_at, t.capabilities FROM tasks t "
    f"JOIN repositories r ON {ITS_REPOSITORY} "
    f"WHERE t.installation_id = :i AND {VISIBLE} AND {PRESENT}"
)


class Place(TypedDict):
    """The columns of a task that decide its place in the order."""

    priority: int
    failures: int
    queued_at: int
    id: str


class Candidate(Place):
    """A task that may be claimed, and the capabilities that it needs."""

    capabilities: list[str]


@dataclass(frozen=True)
class Wanted:
    """The filters of a claim; None matches every task.

    `size`: 0 to 2. `met`: the capabilities that the agent has, in each form that a task may use.
    `given_back`: True for only the tasks that the agent itself released last, False for only the
    others. `anybody`: what any agent may claim, also tasks that are reserved for others. `closed`:
    repositories whose tasks do not match. `repositories`: those within the agent's reach.
    `roles_above`: the roles that the agent does not have; steps that ask for one do not match.
    """

    repository_id: int | None = None
    label: str | None = None
    capability: str | None = None
    size: int | None = None
    met: Sequence[str] | None = None
    given_back: bool | None = None
    anybody: bool = False
    closed: frozenset[int] = frozenset()
    repositories: Reach = None
    roles_above: Sequence[str] = ()


async def page(
    tx: Tx, installation_id: int, me: str, wanted: Wanted, after: Place | None, limit: int
) -> list[FullTask]:
    """A page of tasks that `me` may claim, best first, after the task `after`."""
    best, given = _best(tx.dialect, wanted, me, after)
    q = ANY.replace("FROM tasks t ", f"FROM ({best}) best JOIN tasks t ON t.id = best.id ", 1)
    rows = await tx.all(q, i=installation_id, n=limit, **given)
    return decode(sorted(rows, key=rank))


async def candidates(
    tx: Tx, installation_id: int, me: str, wanted: Wanted, after: Place | None, limit: int
) -> list[Candidate]:
    """The keys of the tasks of a page. A claim locks one of them and then reads it."""
    q, given = _best(tx.dialect, wanted, me, after)
    return decode(await tx.all(q, i=installation_id, n=limit, **given))


def _best(
    dialect: sql.Dialect, wanted: Wanted, me: str, after: Place | None
) -> tuple[str, dict[str, Any]]:
    """SQL for the first `:n` tasks.

    Each part reads an index in order, as far as it needs to. An index has the priorities in the
    wrong direction, so there is one part for each.
    """
    where, given = _fits(wanted, dialect, me)
    if after is not None:
        given |= {
            "priority": after["priority"],
            "failures": after["failures"],
            "queued_at": after["queued_at"],
            "id": after["id"],
        }
    is_in_one = wanted.repository_id is not None or reach.is_one(wanted.repositories)
    index = "ix_tasks_best_in" if is_in_one else "ix_tasks_best"
    parts: list[tuple[str, str]] = []
    if not wanted.anybody:
        mine = f"t.state = 'assigned' AND t.assigned_to = :me AND {where}"
        parts.append(("ix_tasks_reserved_for", mine + (AFTER_ALL if after else "")))
        given["me"] = me
    for priority in PRIORITIES:
        if after is not None and priority > after["priority"]:
            continue
        rest = AFTER if after is not None and priority == after["priority"] else ""
        for state in ("pending", "assigned") if wanted.anybody else ("pending",):
            here = f"t.state = '{state}' AND t.priority = {priority} AND {where}{rest}"
            parts.append((index, here))
    return index_order.first_of_parts(dialect, tuple(parts), ORDER, CANDIDATES), given


def rank(task: Place) -> tuple[int, int, int, str]:
    """The sort key of a task: the lowest is offered first."""
    return (-task["priority"], task["failures"], task["queued_at"], task["id"])


def _fits(wanted: Wanted, dialect: sql.Dialect, me: str) -> tuple[str, dict[str, Any]]:
    where = f"{FREE} AND {waits_for_nothing(dialect)} AND NOT {spend_holds.is_drained('capped')}"
    # What any agent may claim depends on no agent's own cap.
    given: dict[str, Any] = {"capped": "" if wanted.anybody else me}
    if wanted.repository_id is not None:
        where, given["r"] = f"{where} AND t.repository_id = :r", wanted.repository_id
    if wanted.closed:
        where += " AND t.repository_id NOT IN :closed"
        given["closed"] = sorted(wanted.closed)
    where += reach.within(wanted.repositories, "t.repository_id")
    given |= reach.parameters(wanted.repositories)
    if wanted.label is not None:
        where, given["label"] = where + LABELLED, f"\n{wanted.label.casefold()}\n"
    if wanted.size is not None:
        where, given["size"] = f"{where} AND t.size = :size", wanted.size
    if wanted.capability is not None:
        # The task may name a level. SQL does not decide whether the agent's level is enough.
        slug = wanted.capability.partition(":")[0]
        where += " AND (INSTR(t.capabilities, :bare) > 0 OR INSTR(t.capabilities, :levelled) > 0)"
        given |= {"bare": f'"{slug}"', "levelled": f'"{slug}:'}
    if wanted.met is not None:
        where, given["met"] = f"{where} AND {MET[dialect]}", json.dumps(list(wanted.met))
    if wanted.roles_above:
        where += f" AND NOT {FOR_ROLES}"
        given["roles"] = [form for each in wanted.roles_above for form in (each, f'"{each}"')]
    if wanted.given_back is not None:
        given_back = GIVEN_BACK.format(leases=sql.by_index(dialect, "leases g", "ix_leases_task"))
        where += f" AND {'' if wanted.given_back else 'NOT '}{given_back}"
        given["by"] = me
    return where, given


async def lock_free(tx: Tx, installation_id: int, task_id: str) -> FullTask | None:
    """Lock the task if nobody holds it. None if somebody does, or has locked it now."""
    q = (
        f"SELECT {COLUMNS_TO_LOCK} FROM tasks t WHERE t.installation_id = :i AND t.id = :t "
        "AND t.lease_id IS NULL FOR UPDATE SKIP LOCKED"
    )
    row = await tx.one(q, i=installation_id, t=task_id)
    return decode([row])[0] if row else None


async def waiting_for(
    tx: Tx, installation_id: int, issue_id: int
) -> tuple[list[Neighbour], list[Neighbour]]:
    """The blockers and the sub-issues of an issue."""
    blockers = await relations.targets(tx, installation_id, "blocked_by", issue_id)
    return blockers, await relations.sources(tx, installation_id, "parent", issue_id)


async def claimable(tx: Tx, installation_id: int, task_id: str) -> FullTask | None:
    """The task, if somebody could claim it now."""
    q = f"{SELECT} AND t.id = :t AND t.state IN ('pending', 'assigned') AND {FREE}"
    q += f" AND {waits_for_nothing(tx.dialect)}"
    row = await tx.one(q, i=installation_id, t=task_id)
    return decode([row])[0] if row else None


async def unblocked_by(tx: Tx, installation_id: int, issue_id: int) -> list[TaskRow]:
    """Tasks that waited for this issue and that nothing blocks now, except those on hold."""
    edges = [
        edge
        for kind in dependency_cycles.ENDS
        for edge in await dependency_cycles.edges(tx, installation_id, kind, awaited=(issue_id,))
    ]
    if not edges:
        return []
    waited = sorted({edge.waits for edge in edges})
    q = f"{_freed(tx.dialect)} AND t.issue_id IN :waited"
    return decode(await tx.all(q, i=installation_id, waited=waited))


async def unblocked_task(tx: Tx, installation_id: int, issue_id: int) -> list[TaskRow]:
    """The task of an issue, if nothing blocks it and it is not on hold."""
    q = f"{_freed(tx.dialect)} AND t.issue_id = :issue"
    return decode(await tx.all(q, i=installation_id, issue=issue_id))


def _freed(dialect: sql.Dialect) -> str:
    """SQL for tasks, found by their issues, that wait for nothing and are not on hold."""
    of_issue = sql.by_index(dialect, "tasks t", "ix_tasks_issue")
    return (
        f"SELECT t.* FROM {of_issue} WHERE t.installation_id = :i "
        f"AND t.state IN ('pending', 'assigned') AND t.held = 0 AND {waits_for_nothing(dialect)}"
    )
