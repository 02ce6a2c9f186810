"""The definitions of workflows: the files of a repository, as they were read last."""

from store.engine import json_text, reach, sql
from store.engine.reach import Reach
from store.engine.transaction import Tx
from store.mirror.stored_repositories import PRESENT, VISIBLE
from store.tables.workflows import WorkflowDefinitionRow

COLUMNS = tuple(WorkflowDefinitionRow.__annotations__)
KEY = ("installation_id", "repository_id", "name")


class NamedDefinition(WorkflowDefinitionRow):
    """A definition with the name of its repository."""

    full_name: str


async def put(tx: Tx, row: WorkflowDefinitionRow) -> None:
    definition = row["definition"]
    encoded = {**row, "definition": None if definition is None else json_text.text(definition)}
    await tx.run(sql.upsert(tx.dialect, "workflow_definitions", COLUMNS, KEY), **encoded)


async def get(
    tx: Tx, installation_id: int, repository_id: int, name: str
) -> WorkflowDefinitionRow | None:
    q = (
        "SELECT * FROM workflow_definitions WHERE installation_id = :i AND repository_id = :r "
        "AND name = :n"
    )
    row: WorkflowDefinitionRow | None = await tx.one(q, i=installation_id, r=repository_id, n=name)
    return row and _decode(row)


async def of_repository(
    tx: Tx, installation_id: int, repository_id: int
) -> list[WorkflowDefinitionRow]:
    """All of a repository, by name."""
    q = (
        "SELECT * FROM workflow_definitions WHERE installation_id = :i AND repository_id = :r "
        "ORDER BY name"
    )
    rows: list[WorkflowDefinitionRow] = await tx.all(q, i=installation_id, r=repository_id)
    return [_decode(row) for row in rows]


async def page(
    tx: Tx, installation_id: int, repositories: Reach, after: tuple[int, str], limit: int
) -> list[NamedDefinition]:
    """Those in repositories that actors may see, in the order of their keys."""
    in_order = sql.by_index(tx.dialect, "workflow_definitions d", "PRIMARY")
    rows: list[NamedDefinition] = await tx.all(
        f"SELECT d.*, r.full_name FROM {in_order} {sql.IN_ORDER[tx.dialect]} repositories r "
        "ON r.installation_id = d.installation_id AND r.id = d.repository_id "
        f"WHERE d.installation_id = :i AND {VISIBLE} AND {PRESENT} "
        "AND (d.repository_id > :r OR (d.repository_id = :r AND d.name > :n))"
        f"{reach.within(repositories, 'd.repository_id')} "
        "ORDER BY d.repository_id, d.name LIMIT :limit",
        i=installation_id,
        r=after[0],
        n=after[1],
        limit=limit,
        **reach.parameters(repositories),
    )
    for row in rows:
        _decode(row)
    return rows


async def remove(tx: Tx, installation_id: int, repository_id: int, name: str) -> None:
    q = (
        "DELETE FROM workflow_definitions WHERE installation_id = :i AND repository_id = :r "
        "AND name = :n"
    )
    await tx.run(q, i=installation_id, r=repository_id, n=name)


def _decode(row: WorkflowDefinitionRow) -> WorkflowDefinitionRow:
    if row["definition"] is not None:
        row["definition"] = json_text.value(row["definition"])
    return row
