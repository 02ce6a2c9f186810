"""Workflows that were started."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from store.engine import json_text, reach, sql
from store.engine.reach import Reach
from store.engine.transaction import Tx
from store.tables.workflows import WorkflowRow, WorkflowState

COLUMNS = tuple(WorkflowRow.__annotations__)
ENCODED = ("definition", "inputs")


@dataclass(frozen=True)
class Sought:
    """The filters of a list. `repositories`: those within reach."""

    states: Sequence[WorkflowState]
    repository_id: int | None = None
    repositories: Reach = None


async def add(tx: Tx, row: WorkflowRow) -> None:
    await tx.run(sql.insert("workflows", COLUMNS), **_encode(row))


async def get(tx: Tx, installation_id: int, workflow_id: str) -> WorkflowRow | None:
    q = "SELECT * FROM workflows WHERE installation_id = :i AND id = :id"
    return _decode(await tx.one(q, i=installation_id, id=workflow_id))


async def lock(tx: Tx, installation_id: int, workflow_id: str) -> WorkflowRow | None:
    """Lock the workflow. Tasks are locked before their workflow, and it before its steps."""
    q = "SELECT * FROM workflows WHERE installation_id = :i AND id = :id FOR UPDATE"
    return _decode(await tx.one(q, i=installation_id, id=workflow_id))


async def change(tx: Tx, workflow: WorkflowRow, **values: Any) -> WorkflowRow:
    """Set columns of a locked workflow, and `updated_at`. Return the row as it is then."""
    sets = ", ".join(f"{column} = :{column}" for column in values)
    now = await tx.now()
    await tx.run(
        f"UPDATE workflows SET {sets}, updated_at = :now WHERE installation_id = :i AND id = :key",
        i=workflow["installation_id"],
        key=workflow["id"],
        now=now,
        **_encode(values),
    )
    changed: Any = {**workflow, **values, "updated_at": now}
    row: WorkflowRow = changed
    return row


async def page(
    tx: Tx, installation_id: int, sought: Sought, after: tuple[int, str] | None, limit: int
) -> list[WorkflowRow]:
    """Those sought, the newest first, from after this time of start and id."""
    found = [
        row
        for state in sought.states
        for row in await _page_of(tx, installation_id, sought, state, after, limit)
    ]
    found.sort(key=lambda row: (row["created_at"], row["id"]), reverse=True)
    return found[:limit]


async def _page_of(
    tx: Tx,
    installation_id: int,
    sought: Sought,
    state: WorkflowState,
    after: tuple[int, str] | None,
    limit: int,
) -> list[WorkflowRow]:
    """Each state by the index, so that no query sorts all workflows."""
    within = reach.within(sought.repositories, "repository_id")
    index = "ix_workflows_state" if sought.repository_id is None else "ix_workflows_in"
    here = "" if sought.repository_id is None else " AND repository_id = :r"
    later = " AND (created_at < :at OR (created_at = :at AND id < :id))" if after else ""
    given = {"at": after[0], "id": after[1]} if after else {}
    place = {} if sought.repository_id is None else {"r": sought.repository_id}
    rows = await tx.all(
        f"SELECT * FROM {sql.by_index(tx.dialect, 'workflows', index)} "
        f"WHERE installation_id = :i{here} AND state = :s{later}{within} "
        "ORDER BY created_at DESC, id DESC LIMIT :n",
        i=installation_id,
        s=state,
        n=limit,
        **given,
        **place,
        **reach.parameters(sought.repositories),
    )
    return _rows(rows)


async def of_parent(
    tx: Tx, installation_id: int, parent_task_id: str, limit: int = 20
) -> list[WorkflowRow]:
    """The newest workflows of which this task is the parent, the newest first."""
    rows = await tx.all(
        f"SELECT * FROM {sql.by_index(tx.dialect, 'workflows', 'ix_workflows_parent')} "
        "WHERE installation_id = :i AND parent_task_id = :t "
        "ORDER BY created_at DESC, id DESC LIMIT :n",
        i=installation_id,
        t=parent_task_id,
        n=limit,
    )
    return _rows(rows)


async def running_of_parents(
    tx: Tx, installation_id: int, task_ids: Collection[str]
) -> list[WorkflowRow]:
    """The workflows of which one of these tasks is the parent, and that have not ended."""
    rows = await tx.all(
        f"SELECT * FROM {sql.by_index(tx.dialect, 'workflows', 'ix_workflows_parent')} "
        "WHERE installation_id = :i AND parent_task_id IN :ids AND state = 'running' ORDER BY id",
        i=installation_id,
        ids=sorted(task_ids),
    )
    return _rows(rows)


async def last_scheduled(
    tx: Tx, installation_id: int, repository_id: int, name: str
) -> WorkflowRow | None:
    """The newest workflow of this name that a schedule started."""
    q = (
        f"SELECT * FROM {sql.by_index(tx.dialect, 'workflows', 'ix_workflows_slot')} "
        "WHERE installation_id = :i AND repository_id = :r AND name = :n "
        "AND schedule_slot IS NOT NULL ORDER BY schedule_slot DESC LIMIT 1"
    )
    return _decode(await tx.one(q, i=installation_id, r=repository_id, n=name))


def _encode(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: json_text.text(v) if k in ENCODED else v for k, v in values.items()}


def _rows(rows: Sequence[Any]) -> list[WorkflowRow]:
    return [row for each in rows if (row := _decode(each)) is not None]


def _decode(found: Any) -> WorkflowRow | None:
    row: WorkflowRow | None = found
    if row is not None:
        row["definition"] = json_text.value(row["definition"])
        row["inputs"] = json_text.value(row["inputs"])
    return row
