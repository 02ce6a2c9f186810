"""Tasks, and the one pointer on each that names its live lease."""

import json
from collections.abc import Collection, Sequence
from typing import Any, TypedDict, TypeVar, cast

from store.engine import ids, json_text, reach, sql
from store.engine.reach import Reach
from store.engine.transaction import Row, Tx
from store.mirror.stored_repositories import PRESENT, VISIBLE
from store.tables.tasks import TaskRow, TaskState

COLUMNS = (
    "installation_id",
    "id",
    "repository_id",
    "issue_id",
    "number",
    "title",
    "outsider",
    "state",
    "priority",
    "capabilities",
    "size",
    "held",
    "held_by",
    "held_why",
    "created_at",
    "updated_at",
    "queued_at",
)
T = TypeVar("T", bound="WithCapabilities")
# The states without a holder, in which the last one counts.
ENDED = ("completed", "failed", "cancelled")
MEDIUM = 1
# A task with the name of its repository and the end of its lease. Hubbub's own bookkeeping also
# needs the tasks of repositories that the installation does not cover at the moment.
ITS_REPOSITORY = "r.installation_id = t.installation_id AND r.id = t.repository_id"
ITS_LEASE = "l.installation_id = t.installation_id AND l.id = t.lease_id"
ANY = (
    "SELECT t.*, r.full_name, l.expires_at, l.known FROM tasks t "
    f"JOIN repositories r ON {ITS_REPOSITORY} LEFT JOIN leases l ON {ITS_LEASE} "
    "WHERE t.installation_id = :i"
)
# The tasks that actors may see.
SELECT = f"{ANY} AND {VISIBLE} AND {PRESENT}"
VISIBLE_IDS = (
    f"SELECT t.id FROM tasks t JOIN repositories r ON {ITS_REPOSITORY} "
    f"WHERE t.installation_id = :i AND {VISIBLE} AND {PRESENT}"
)
NAMED = "r.full_name_key = :name AND t.number = :n"
# The columns of a `FullTask` without a join: FOR UPDATE would also lock what is joined. It locks
# nothing that a subquery in the columns reads, and reads that after it got its lock.
COLUMNS_TO_LOCK = (
    f"t.*, (SELECT r.full_name FROM repositories r WHERE {ITS_REPOSITORY}) AS full_name, "
    f"(SELECT l.expires_at FROM leases l WHERE {ITS_LEASE}) AS expires_at, "
    f"(SELECT l.known FROM leases l WHERE {ITS_LEASE}) AS known"
)


class WithCapabilities(TypedDict):
    capabilities: Any


class FullTask(TaskRow):
    """A task with the name of its repository, and `expires_at` and `known` of its live lease."""

    full_name: str
    expires_at: int | None
    known: int | None


class TaskKey(TypedDict):
    installation_id: int
    id: str


async def create(tx: Tx, installation_id: int, **values: Any) -> str:
    """Create a pending task and return its id. If the issue already has a task, return that id."""
    now = await tx.now()
    row: Row = {
        "installation_id": installation_id,
        "id": ids.new("t", now),
        "issue_id": None,
        "number": None,
        "outsider": None,
        "state": "pending",
        "priority": MEDIUM,
        "capabilities": [],
        "size": None,
        "held": 0,
        "held_by": None,
        "held_why": None,
        "created_at": now,
        "updated_at": now,
        "queued_at": now,
        **values,
    }
    row = encode(row)
    statement = sql.insert_new(tx.dialect, "tasks", COLUMNS, ("installation_id", "issue_id"))
    await tx.run(statement, **row)
    if row["issue_id"] is None:
        return str(row["id"])
    made = await of_issue(tx, installation_id, row["issue_id"])
    return str(made["id"] if made else row["id"])


async def get(tx: Tx, installation_id: int, task_id: str) -> FullTask | None:
    return _one(await tx.one(f"{ANY} AND t.id = :t", i=installation_id, t=task_id))


async def of_ids(tx: Tx, installation_id: int, task_ids: Collection[str]) -> dict[str, FullTask]:
    """These tasks by id, also those that no actor may see."""
    if not task_ids:
        return {}
    rows = await tx.all(f"{ANY} AND t.id IN :ids", i=installation_id, ids=sorted(task_ids))
    return {each["id"]: each for each in decode(rows)}


async def visible(
    tx: Tx, installation_id: int, task_id: str, repositories: Reach = None
) -> FullTask | None:
    """`repositories`: those within reach."""
    q = f"{SELECT} AND t.id = :t{reach.within(repositories, 't.repository_id')}"
    return _one(await tx.one(q, i=installation_id, t=task_id, **reach.parameters(repositories)))


async def several(
    tx: Tx, installation_id: int, task_ids: Collection[str], repositories: Reach = None
) -> list[FullTask]:
    """Those of the tasks that actors may see. `repositories`: those within reach."""
    if not task_ids:
        return []
    q = f"{SELECT} AND t.id IN :ids{reach.within(repositories, 't.repository_id')}"
    rows = await tx.all(
        q, i=installation_id, ids=sorted(task_ids), **reach.parameters(repositories)
    )
    return decode(rows)


async def visible_id(
    tx: Tx, installation_id: int, task_id: str, repositories: Reach = None
) -> str | None:
    """The id itself, if actors may see the task. For a caller that locks it next."""
    q = f"{VISIBLE_IDS} AND t.id = :t{reach.within(repositories, 't.repository_id')}"
    row = await tx.one(q, i=installation_id, t=task_id, **reach.parameters(repositories))
    return row["id"] if row else None


async def numbered_after(
    tx: Tx, installation_id: int, repository_id: int, number: int, since: int, limit: int
) -> list[FullTask]:
    """The tasks of a repository with greater numbers that are open or ended since then."""
    q = (
        f"{ANY} AND t.repository_id = :r AND t.number > :n "
        "AND (t.state NOT IN :ended OR t.ended_at >= :since) ORDER BY t.number LIMIT :limit"
    )
    rows = await tx.all(
        q, i=installation_id, r=repository_id, n=number, ended=ENDED, since=since, limit=limit
    )
    return decode(rows)


async def lock(tx: Tx, installation_id: int, task_id: str) -> FullTask | None:
    """Lock the task until this transaction ends, and return it.

    Whatever changes a task or its lease locks the task first. So nobody else changes what this
    transaction has read.
    """
    q = (
        f"SELECT {COLUMNS_TO_LOCK} FROM tasks t "
        "WHERE t.installation_id = :i AND t.id = :t FOR UPDATE"
    )
    return _one(await tx.one(q, i=installation_id, t=task_id))


async def is_locked_elsewhere(tx: Tx, installation_id: int, task_id: str) -> bool:
    """Whether another transaction has locked the task. If not, lock it as `lock` does."""
    q = "SELECT id FROM tasks WHERE installation_id = :i AND id = :t FOR UPDATE SKIP LOCKED"
    if await tx.one(q, i=installation_id, t=task_id) is not None:
        return False
    return await get(tx, installation_id, task_id) is not None


async def of_issue(tx: Tx, installation_id: int, issue_id: int) -> FullTask | None:
    return _one(await tx.one(f"{ANY} AND t.issue_id = :n", i=installation_id, n=issue_id))


async def of_issues(
    tx: Tx, installation_id: int, issue_ids: Collection[int], repositories: Reach = None
) -> list[FullTask]:
    """The tasks of these issues that actors may see. `repositories`: those within reach."""
    if not issue_ids:
        return []
    q = f"{SELECT} AND t.issue_id IN :ids{reach.within(repositories, 't.repository_id')}"
    rows = await tx.all(
        q, i=installation_id, ids=sorted(issue_ids), **reach.parameters(repositories)
    )
    return decode(rows)


async def by_number(
    tx: Tx, installation_id: int, repository_id: int, number: int
) -> FullTask | None:
    q = f"{SELECT} AND t.repository_id = :r AND t.number = :n"
    return _one(await tx.one(q, i=installation_id, r=repository_id, n=number))


def _by_name(dialect: sql.Dialect, select: str) -> str:
    """The SELECT of tasks, made to find first the repository by its name and then the task."""
    repository = sql.by_index(dialect, "repositories r", "ix_repositories_full_name")
    task = sql.by_index(dialect, "tasks t", "ix_tasks_number")
    joined = f"{repository} {sql.IN_ORDER[dialect]} {task}"
    return select.replace("tasks t JOIN repositories r", joined, 1)


async def by_name(
    tx: Tx, installation_id: int, full_name: str, number: int, repositories: Reach = None
) -> FullTask | None:
    """The task `full_name#number`. The name may be in any letter case."""
    q = f"{_by_name(tx.dialect, SELECT)} AND {NAMED}{reach.within(repositories, 't.repository_id')}"
    given = {"name": full_name.casefold(), "n": number, **reach.parameters(repositories)}
    return _one(await tx.one(q, i=installation_id, **given))


async def id_by_name(
    tx: Tx, installation_id: int, full_name: str, number: int, repositories: Reach = None
) -> str | None:
    """The id of the task `full_name#number`. For a caller that locks it next."""
    within = reach.within(repositories, "t.repository_id")
    q = f"{_by_name(tx.dialect, VISIBLE_IDS)} AND {NAMED}{within}"
    given = {"name": full_name.casefold(), "n": number, **reach.parameters(repositories)}
    row = await tx.one(q, i=installation_id, **given)
    return row["id"] if row else None


async def of_pull(tx: Tx, installation_id: int, repository_id: int, number: int) -> list[FullTask]:
    q = f"{ANY} AND t.repository_id = :r AND t.pull_number = :n"
    rows = await tx.all(q, i=installation_id, r=repository_id, n=number)
    return decode(rows)


async def threads_with_task(
    tx: Tx, installation_id: int, repository_id: int, numbers: Collection[int]
) -> set[int]:
    """Which of these issues and pull requests have a task."""
    if not numbers:
        return set()
    q = (
        "SELECT number AS n FROM tasks WHERE installation_id = :i AND repository_id = :r "
        "AND number IN :numbers UNION ALL SELECT pull_number FROM tasks "
        "WHERE installation_id = :i AND repository_id = :r AND pull_number IN :numbers"
    )
    rows = await tx.all(q, i=installation_id, r=repository_id, numbers=tuple(sorted(numbers)))
    return {row["n"] for row in rows}


async def issues_with_task(tx: Tx, installation_id: int, issue_ids: Collection[int]) -> set[int]:
    q = "SELECT issue_id FROM tasks WHERE installation_id = :i AND issue_id IN :ids"
    rows = await tx.all(q, i=installation_id, ids=tuple(sorted(issue_ids)))
    return {row["issue_id"] for row in rows}


async def on_hold(tx: Tx, installation_id: int, task_ids: Collection[str]) -> set[str]:
    """Those of these tasks that are on hold."""
    if not task_ids:
        return set()
    q = "SELECT id FROM tasks WHERE installation_id = :i AND id IN :ids AND held = 1"
    rows = await tx.all(q, i=installation_id, ids=tuple(sorted(task_ids)))
    return {row["id"] for row in rows}


async def on_hold_for_branch(
    tx: Tx, installation_id: int, repository_id: int, branch: str
) -> list[FullTask]:
    """Tasks on hold that have this branch, or whose pull request has it."""
    here = (tx, installation_id, repository_id)
    by_branch = sql.by_index(tx.dialect, "tasks t", "ix_tasks_branch")
    rows = await tx.all(
        f"{ANY.replace('tasks t', by_branch, 1)} AND t.repository_id = :r AND t.branch = :b",
        i=installation_id,
        r=repository_id,
        b=branch,
    )
    found = decode(rows)
    found += await _of_pulls(*here, "ix_pull_requests_branch", "head_ref", branch)
    return list({task["id"]: task for task in found if task["held"]}.values())


async def of_head(tx: Tx, installation_id: int, repository_id: int, sha: str) -> list[FullTask]:
    """Tasks in progress or in review whose pull request has this commit as its head."""
    here = (tx, installation_id, repository_id)
    found = await _of_pulls(*here, "ix_pull_requests_head", "head_sha", sha)
    return [task for task in found if task["state"] in ("in_progress", "in_review")]


async def _of_pulls(
    tx: Tx, installation_id: int, repository_id: int, index: str, column: str, value: str
) -> list[FullTask]:
    """The tasks of the pull requests that have this value in the column of the index."""
    pulls = await tx.all(
        f"SELECT number FROM {sql.by_index(tx.dialect, 'pull_requests', index)} "
        f"WHERE installation_id = :i AND repository_id = :r AND {column} = :value AND deleted = 0",
        i=installation_id,
        r=repository_id,
        value=value,
    )
    here = (tx, installation_id, repository_id)
    return [task for pull in pulls for task in await of_pull(*here, pull["number"])]


async def bind(
    tx: Tx, installation_id: int, task_id: str, repository_id: int, issue_id: int, number: int
) -> bool:
    """Bind the task to its issue. False if the task already has one.

    If the issue got another task by its label in the meantime, delete that one. If somebody has
    claimed it, return False.
    """
    if not await _replace_unclaimed(tx, installation_id, task_id, issue_id):
        return False
    return bool(
        await tx.run(
            "UPDATE tasks SET issue_id = :issue, number = :n, updated_at = :now "
            "WHERE installation_id = :i AND id = :t AND repository_id = :r AND issue_id IS NULL",
            r=repository_id,
            issue=issue_id,
            n=number,
            now=await tx.now(),
            i=installation_id,
            t=task_id,
        )
    )


async def _replace_unclaimed(tx: Tx, installation_id: int, task_id: str, issue_id: int) -> bool:
    """Delete the other task of the issue, if any. False if somebody has claimed it."""
    other = await of_issue(tx, installation_id, issue_id)
    if other is None or other["id"] == task_id:
        return True
    if other["fence"]:
        return False
    q = "DELETE FROM tasks WHERE installation_id = :i AND id = :t AND fence = 0"
    await tx.run(q, i=installation_id, t=other["id"])
    return True


async def rebind(
    tx: Tx,
    installation_id: int,
    task_id: str,
    repository_id: int,
    issue_id: int,
    number: int,
    title: str,
) -> bool:
    """Move the task with its issue. False if a claimed task already exists there."""
    if not await _replace_unclaimed(tx, installation_id, task_id, issue_id):
        return False
    await change(
        tx,
        installation_id,
        task_id,
        repository_id=repository_id,
        issue_id=issue_id,
        number=number,
        title=title,
        # The pull request and the branch stay in the old repository. In the new one another pull
        # request may have the same number.
        pull_number=None,
        branch=None,
    )
    return True


async def change(tx: Tx, installation_id: int, task_id: str, **values: Any) -> None:
    """Set columns of a task."""
    sets = ", ".join(f"{c} = :{c}" for c in values)
    await tx.run(
        f"UPDATE tasks SET {sets}, updated_at = :now WHERE installation_id = :i AND id = :t",
        now=await tx.now(),
        i=installation_id,
        t=task_id,
        **values,
    )


async def change_row(tx: Tx, task: FullTask, **values: Any) -> FullTask:
    """Set columns of a task that the caller has locked. Return its row now."""
    await change(tx, task["installation_id"], task["id"], **values)
    return cast("FullTask", {**task, **values, "updated_at": await tx.now()})


async def move(tx: Tx, installation_id: int, task_id: str, old: str, new: str) -> bool:
    """Change the state if it is still `old`."""
    return bool(
        await tx.run(
            "UPDATE tasks SET state = :new, updated_at = :now WHERE installation_id = :i "
            "AND id = :t AND state = :old",
            new=new,
            now=await tx.now(),
            i=installation_id,
            t=task_id,
            old=old,
        )
    )


class MadeTask(TypedDict):
    """What shows whether a new task would be a second one."""

    id: str
    number: int | None
    title: str
    outsider: str | None
    state: TaskState
    created_at: int


async def made_since(
    tx: Tx,
    installation_id: int,
    repository_id: int,
    states: Sequence[TaskState],
    since: int,
    limit: int,
) -> list[MadeTask]:
    """The newest tasks of a repository that were made since then, newest first."""
    named = {f"state_{n}": state for n, state in enumerate(states)}
    newest = sql.by_index(tx.dialect, "tasks", "ix_tasks_newest_in")
    # Each part reads the index in its order, and nothing older.
    parts = (
        f"SELECT * FROM (SELECT id, number, title, outsider, state, created_at FROM {newest} "
        f"WHERE installation_id = :i AND repository_id = :r AND state = :{name} "
        f"AND created_at >= :since ORDER BY created_at DESC, id DESC LIMIT :n) part_{name}"
        for name in named
    )
    return await tx.all(
        f"{' UNION ALL '.join(parts)} ORDER BY created_at DESC, id DESC LIMIT :n",
        i=installation_id,
        r=repository_id,
        since=since,
        n=limit,
        **named,
    )


def encode(values: Row) -> Row:
    """The values as the columns store them."""
    if "capabilities" not in values:
        return values
    return {**values, "capabilities": json.dumps(values["capabilities"])}


def decode(rows: list[T]) -> list[T]:
    for row in rows:
        row["capabilities"] = json_text.value(row["capabilities"])
    return rows


def _one(row: FullTask | None) -> FullTask | None:
    return decode([row])[0] if row else None


async def reserved_before(tx: Tx, before: int, limit: int) -> list[TaskKey]:
    """Keys of tasks that were reserved before this time, without an end of their own."""
    return await tx.all(
        "SELECT installation_id, id FROM tasks WHERE state = 'assigned' AND assigned_at < :before "
        "AND assigned_until IS NULL ORDER BY assigned_at LIMIT :n",
        before=before,
        n=limit,
    )


async def reserved_until(tx: Tx, now: int, limit: int) -> list[TaskKey]:
    """Keys of tasks whose reservation has an end, which is over."""
    return await tx.all(
        "SELECT installation_id, id FROM tasks WHERE state = 'assigned' "
        "AND assigned_until <= :now ORDER BY assigned_until LIMIT :n",
        now=now,
        n=limit,
    )


async def reserved_for(
    tx: Tx, installation_id: int, agent_ids: Sequence[str], limit: int
) -> list[str]:
    """Ids of the tasks that are reserved for these agents."""
    reserved = sql.by_index(tx.dialect, "tasks", "ix_tasks_reserved_for")
    rows = await tx.all(
        f"SELECT id FROM {reserved} WHERE installation_id = :i AND state = 'assigned' "
        "AND assigned_to IN :agents LIMIT :n",
        i=installation_id,
        agents=tuple(agent_ids),
        n=limit,
    )
    return [row["id"] for row in rows]
