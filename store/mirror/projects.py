"""Boards: projects, their fields, their items with Status."""

from collections.abc import Sequence
from typing import TypedDict

from store.engine import json_text, sql
from store.engine.transaction import Row, Tx
from store.tables.boards import ProjectFieldRow, ProjectItemRow, ProjectRow, ProjectValueRow

FIELDS = ("installation_id", "id", "project_id", "node_id", "name", "type", "options")


class OnBoard(TypedDict):
    """A board that an issue or pull request is on, with its value in one field, if any."""

    number: int
    title: str
    field: str | None
    status: str | None


async def item(tx: Tx, installation_id: int, item_id: int) -> ProjectItemRow | None:
    q = "SELECT * FROM project_items WHERE installation_id = :i AND id = :id AND deleted = 0"
    return await tx.one(q, i=installation_id, id=item_id)


async def item_of(
    tx: Tx, installation_id: int, project_node_id: str, content_node_id: str
) -> ProjectItemRow | None:
    """An issue or pull request on a board."""
    if not content_node_id:
        return None
    q = (
        "SELECT * FROM project_items WHERE installation_id = :i AND content_node_id = :c "
        "AND project_node_id = :p AND deleted = 0"
    )
    return await tx.one(q, i=installation_id, c=content_node_id, p=project_node_id)


async def was_removed(
    tx: Tx, installation_id: int, project_node_id: str, content_node_id: str
) -> bool:
    """Whether somebody took an issue off a board, on which it is no more."""
    q = (
        "SELECT MIN(deleted) AS gone FROM project_items WHERE installation_id = :i "
        "AND content_node_id = :c AND project_node_id = :p"
    )
    row = await tx.one(q, i=installation_id, c=content_node_id, p=project_node_id)
    return row is not None and row["gone"] == 1


async def value(tx: Tx, installation_id: int, item_id: int, field: str) -> ProjectValueRow | None:
    """An item's value in a single-select field. `field` is the field's node id."""
    q = (
        "SELECT * FROM project_values WHERE installation_id = :i AND item_id = :t AND field = :f "
        "AND deleted = 0"
    )
    return await tx.one(q, i=installation_id, t=item_id, f=field)


async def projects(tx: Tx, installation_id: int) -> list[ProjectRow]:
    q = "SELECT * FROM projects WHERE installation_id = :i AND deleted = 0 ORDER BY number"
    return await tx.all(q, i=installation_id)


async def by_number(tx: Tx, installation_id: int, number: int) -> ProjectRow | None:
    q = (
        "SELECT * FROM projects WHERE installation_id = :i AND number = :n AND deleted = 0 "
        "ORDER BY id DESC LIMIT 1"
    )
    return await tx.one(q, i=installation_id, n=number)


async def rename_values(
    tx: Tx, installation_id: int, field: str, option_id: str, name: str
) -> None:
    """Give all values of an option its new name. GitHub reports no change of the items."""
    await tx.run(
        "UPDATE project_values SET name = :n WHERE installation_id = :i AND field = :f "
        "AND option_id = :o AND name <> :n",
        n=name,
        i=installation_id,
        f=field,
        o=option_id,
    )


async def project_of_item(tx: Tx, installation_id: int, item_id: int) -> ProjectRow | None:
    q = (
        "SELECT p.* FROM project_items t JOIN projects p ON p.installation_id = t.installation_id "
        "AND p.node_id = t.project_node_id AND p.deleted = 0 "
        "WHERE t.installation_id = :i AND t.id = :id"
    )
    return await tx.one(q, i=installation_id, id=item_id)


async def fields(tx: Tx, installation_id: int, project_id: int) -> list[ProjectFieldRow]:
    q = "SELECT * FROM project_fields WHERE installation_id = :i AND project_id = :p ORDER BY id"
    rows = await tx.all(q, i=installation_id, p=project_id)
    return [row | {"options": json_text.value(row["options"])} for row in rows]


async def replace_fields(
    tx: Tx, installation_id: int, project_id: int, found: Sequence[Row]
) -> None:
    """Replace all fields of the project."""
    q = "DELETE FROM project_fields WHERE installation_id = :i AND project_id = :p"
    await tx.run(q, i=installation_id, p=project_id)
    statement = sql.upsert(tx.dialect, "project_fields", FIELDS, ("installation_id", "id"))
    for row in found:
        await tx.run(statement, installation_id=installation_id, **row)


async def of_content(tx: Tx, installation_id: int, node_id: str) -> list[OnBoard]:
    """The boards that an issue or pull request is on."""
    q = (
        "SELECT p.number, p.title, f.name AS field, v.name AS status "
        "FROM project_items t JOIN projects p ON p.installation_id = t.installation_id "
        "AND p.node_id = t.project_node_id AND p.deleted = 0 "
        "LEFT JOIN project_values v ON v.installation_id = t.installation_id "
        "AND v.item_id = t.id AND v.deleted = 0 "
        "LEFT JOIN project_fields f ON f.installation_id = v.installation_id "
        "AND f.project_id = p.id AND f.node_id = v.field "
        "WHERE t.installation_id = :i AND t.content_node_id = :n AND t.deleted = 0 "
        "AND t.archived = 0 ORDER BY p.number, f.name"
    )
    return await tx.all(q, i=installation_id, n=node_id)
