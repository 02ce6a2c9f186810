"""How issues hang together: parents and blockers, as sets that reads settle.

`source` is the child or the blocked issue, `target` the parent or the blocker.
"""

from collections.abc import Sequence
from typing import Literal

from store import circles, sql
from store.transaction import Row, Tx

Kind = Literal["parent", "blocked_by"]
KEY = ("installation_id", "kind", "source_id", "target_id")
COLUMNS = (*KEY, "source_name", "source_state", "target_name", "target_state")
# The mirrored issue says it better than what was noted with the relation.
OTHER = (
    "SELECT COALESCE(i.state, s.{end}_state) AS state, i.title, i.id AS mirrored_id, "
    "i.repository_id, COALESCE(r.full_name, '') AS full_name, i.number, s.{end}_name AS noted, "
    "s.cyclic "
    "FROM relations s "
    "LEFT JOIN issues i ON i.installation_id = s.installation_id AND i.id = s.{end}_id "
    "AND i.deleted = 0 "
    "LEFT JOIN repositories r ON r.installation_id = i.installation_id AND r.id = i.repository_id "
    "AND r.deleted = 0 AND r.selected = 1 "
    "WHERE s.installation_id = :i AND s.kind = :kind AND s.{this}_id = :id "
    "ORDER BY s.{end}_id"
)
TARGETS = OTHER.format(end="target", this="source")
SOURCES = OTHER.format(end="source", this="target")


async def put(tx: Tx, installation_id: int, relation: Row) -> set[int]:
    """An issue has one parent: a new one takes the place of another. What is gone has none.

    The issues that stand in a circle by it.
    """
    if await _an_end_is_gone(tx, installation_id, relation):
        return set()
    if relation["kind"] == "parent":
        await tx.run(
            "DELETE FROM relations WHERE installation_id = :i AND kind = 'parent' "
            "AND source_id = :source AND target_id <> :target",
            i=installation_id,
            source=relation["source_id"],
            target=relation["target_id"],
        )
    row = {"installation_id": installation_id, **relation}
    await tx.run(sql.upsert(tx.dialect, "relations", COLUMNS, KEY), **row)
    ends = (relation["source_id"], relation["target_id"])
    return await circles.settle(tx, installation_id, ends)


async def _an_end_is_gone(tx: Tx, installation_id: int, relation: Row) -> bool:
    q = (
        "SELECT 1 AS gone FROM issues WHERE installation_id = :i AND id IN :ends AND deleted = 1 "
        "LIMIT 1"
    )
    ends = (relation["source_id"], relation["target_id"])
    return await tx.one(q, i=installation_id, ends=ends) is not None


async def drop(tx: Tx, installation_id: int, issue_id: int) -> None:
    """All that an issue had: it is gone."""
    # Who waits by a circle through it waits anew: what it led to is looked at from there.
    q = (
        "SELECT source_id, target_id FROM relations WHERE installation_id = :i "
        "AND kind IN ('parent', 'blocked_by') AND (source_id = :id OR target_id = :id)"
    )
    ends = await tx.all(q, i=installation_id, id=issue_id)
    for end in ("source_id", "target_id"):
        await tx.run(
            f"DELETE FROM relations WHERE installation_id = :i AND {end} = :id "
            "AND kind IN ('parent', 'blocked_by')",
            i=installation_id,
            id=issue_id,
        )
    others = {each[end] for each in ends for end in ("source_id", "target_id")} - {issue_id}
    await circles.settle(tx, installation_id, others)


async def remove(tx: Tx, installation_id: int, kind: Kind, source_id: int, target_id: int) -> bool:
    """Whether there was such a relation."""
    removed = await tx.run(
        "DELETE FROM relations WHERE installation_id = :i AND kind = :kind "
        "AND source_id = :source AND target_id = :target",
        i=installation_id,
        kind=kind,
        source=source_id,
        target=target_id,
    )
    if removed:
        await circles.settle(tx, installation_id, (source_id, target_id))
    return bool(removed)


async def replace_targets(
    tx: Tx, installation_id: int, kind: Kind, source_id: int, found: Sequence[Row]
) -> set[int]:
    """These are all the targets of the source: the issues that stand in a circle by them."""
    return await _replace(tx, installation_id, kind, "source_id", source_id, found)


async def replace_sources(
    tx: Tx, installation_id: int, kind: Kind, target_id: int, found: Sequence[Row]
) -> set[int]:
    """These are all the sources of the target: the issues that stand in a circle by them."""
    return await _replace(tx, installation_id, kind, "target_id", target_id, found)


async def _replace(
    tx: Tx, installation_id: int, kind: Kind, end: str, id_: int, found: Sequence[Row]
) -> set[int]:
    # GitHub lists only what the App may see: of the rest its events are all there is.
    other = "target_id" if end == "source_id" else "source_id"
    waits = "source_id" if kind == "blocked_by" else "target_id"
    q = (
        f"SELECT {other} AS id, {waits} AS waits, cyclic FROM relations "
        f"WHERE installation_id = :i AND kind = :kind AND {end} = :id"
    )
    before = await tx.all(q, i=installation_id, kind=kind, id=id_)
    if not (before or found):
        return set()
    await tx.run(
        f"DELETE FROM relations WHERE installation_id = :i AND kind = :kind AND {end} = :id "
        f"AND EXISTS (SELECT 1 FROM issues n WHERE n.installation_id = relations.installation_id "
        f"AND n.id = relations.{other})",
        i=installation_id,
        kind=kind,
        id=id_,
    )
    newly: set[int] = set()
    for relation in found:
        newly |= await put(tx, installation_id, relation)
    newly |= await circles.settle(tx, installation_id, {id_, *(row["id"] for row in before)})
    return newly - {row["waits"] for row in before if row["cyclic"]}


async def targets(tx: Tx, installation_id: int, kind: Kind, source_id: int) -> list[Row]:
    """The blockers, or the parent, of an issue: `name`, `state`, `title` if mirrored."""
    return [_named(r) for r in await tx.all(TARGETS, i=installation_id, kind=kind, id=source_id)]


async def sources(tx: Tx, installation_id: int, kind: Kind, target_id: int) -> list[Row]:
    """What an issue blocks, or its sub-issues."""
    return [_named(r) for r in await tx.all(SOURCES, i=installation_id, kind=kind, id=target_id)]


def _named(row: Row) -> Row:
    name = f"{row['full_name']}#{row['number']}" if row["full_name"] else row["noted"]
    return row | {"name": name}
