"""The relations of issues: parents and blockers.

`source` is the child or the blocked issue, `target` the parent or the blocker.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from store.engine import sql
from store.engine.transaction import Row, Tx
from store.mirror import dependency_cycles
from store.mirror.dependency_cycles import Edge

Kind = Literal["parent", "blocked_by"]
KEY = ("installation_id", "kind", "source_id", "target_id")
COLUMNS = (*KEY, "source_name", "source_state", "target_name", "target_state")
# Prefer the mirrored issue to the copy that is stored with the relation. The + keeps SQLite from
# reading all relations in this order, to save the sorting of a few.
OTHER = (
    "SELECT COALESCE(i.state, s.{end}_state) AS state, i.title, i.id AS mirrored_id, "
    "i.repository_id, COALESCE(r.full_name, '') AS full_name, i.number, "
    "i.author, i.author_id, i.author_association, s.{end}_name AS noted, "
    "s.{end}_id AS other_id, s.cyclic "
    "FROM relations s "
    "LEFT JOIN issues i ON i.installation_id = s.installation_id AND i.id = s.{end}_id "
    "AND i.deleted = 0 "
    "LEFT JOIN repositories r ON r.installation_id = i.installation_id AND r.id = i.repository_id "
    "AND r.deleted = 0 AND r.selected = 1 "
    "WHERE s.installation_id = :i AND s.kind = :kind AND s.{this}_id = :id "
    # An issue that is hidden may return, with its relations.
    "AND NOT EXISTS (SELECT 1 FROM issues g WHERE g.installation_id = s.installation_id "
    "AND g.id = s.{end}_id AND g.deleted = 1) "
    "ORDER BY +s.{end}_id"
)
UNSEEN = "an issue out of reach"
TARGETS = OTHER.format(end="target", this="source")
SOURCES = OTHER.format(end="source", this="target")


@dataclass(frozen=True)
class Changed:
    """`newly_in_cycle`: issues that the change put into a cycle. `were_blocked`: before it.

    `with_blockers`: issues that got blockers, or had them before.
    """

    newly_in_cycle: set[int]
    were_blocked: set[int]
    with_blockers: set[int] = field(default_factory=set)


class NewRelation(TypedDict):
    """A relation as GitHub's answer has it."""

    kind: Kind
    source_id: int
    source_name: str
    source_state: str
    target_id: int
    target_name: str
    target_state: str


class Neighbour(TypedDict):
    """The issue at the other end of a relation, from the mirror or from the relation itself.

    `name` is how people call it. Without a `mirrored_id` the mirror does not have it; without a
    `full_name` the installation does not cover its repository.
    """

    name: str
    state: str
    title: str | None
    mirrored_id: int | None
    repository_id: int | None
    full_name: str
    number: int | None
    author: str | None
    author_id: int | None
    author_association: str | None
    noted: str
    other_id: int
    cyclic: int


async def put(tx: Tx, installation_id: int, relation: Row) -> Changed:
    """Put a relation, unless one of its issues is deleted. A new parent replaces the old one."""
    waits, awaited = (relation[f"{end}_id"] for end in dependency_cycles.ENDS[relation["kind"]])
    ends = {"waits": (waits,), "awaited": (awaited,)}
    before = await dependency_cycles.edges(tx, installation_id, relation["kind"], **ends)
    return await _put(tx, installation_id, waits, [relation], before)


async def replace(
    tx: Tx,
    installation_id: int,
    kind: Kind,
    issue_id: int,
    found: Sequence[Row],
    doubtful: Collection[int] = (),
) -> Changed:
    """Replace all that an issue waits for by one kind: its blockers or its sub-issues.

    The `doubtful` ones stay, although they are not among those found.
    """
    before = await dependency_cycles.edges(tx, installation_id, kind, waits=(issue_id,))
    _, awaited = dependency_cycles.ENDS[kind]
    lacking = {edge.awaited for edge in before} - {relation[f"{awaited}_id"] for relation in found}
    await _take_off(tx, installation_id, kind, issue_id, lacking - set(doubtful))
    return await _put(tx, installation_id, issue_id, found, before)


async def _take_off(
    tx: Tx, installation_id: int, kind: Kind, issue_id: int, lacking: set[int]
) -> None:
    """Remove relations that are not in GitHub's list, if the mirror has the issue at the other end.

    The list has only issues that the App may see. Relations to others are known by events alone.
    """
    waits, awaited = dependency_cycles.ENDS[kind]
    if lacking:
        await tx.run(
            f"DELETE FROM relations WHERE installation_id = :i AND kind = :kind "
            f"AND {waits}_id = :id AND {awaited}_id IN :lacking AND EXISTS (SELECT 1 FROM issues n "
            f"WHERE n.installation_id = relations.installation_id "
            f"AND n.id = relations.{awaited}_id)",
            i=installation_id,
            kind=kind,
            id=issue_id,
            lacking=tuple(sorted(lacking)),
        )


async def _put(
    tx: Tx, installation_id: int, waits: int, found: Sequence[Row], before: list[Edge]
) -> Changed:
    """Put relations of one kind and one issue, and look for cycles once for all of them."""
    present = await _with_present_issues(tx, installation_id, found)
    if present and present[0]["kind"] == "parent":
        children = [relation["source_id"] for relation in present]
        before += await _remove_other_parents(tx, installation_id, children, waits)
    if present:
        rows = [{"installation_id": installation_id, **relation} for relation in present]
        await tx.many(sql.upsert(tx.dialect, "relations", COLUMNS, KEY), rows)
    # A cycle leads from the awaited issue back to the waiting one.
    starts = {edge.awaited for edge in before}
    starts |= {row[f"{dependency_cycles.ENDS[row['kind']][1]}_id"] for row in present}
    newly = await dependency_cycles.update_cycles(tx, installation_id, starts)
    blocked = {row["source_id"] for row in present if row["kind"] == "blocked_by"}
    return Changed(newly, _blocked_issues(before), blocked)


async def _with_present_issues(tx: Tx, installation_id: int, found: Sequence[Row]) -> list[Row]:
    """The relations whose issues are not deleted, in the order of their key."""
    ends = {relation[end] for relation in found for end in ("source_id", "target_id")}
    if not ends:
        return []
    q = "SELECT id FROM issues WHERE installation_id = :i AND id IN :ends AND deleted = 1"
    rows = await tx.all(q, i=installation_id, ends=tuple(sorted(ends)))
    gone = {row["id"] for row in rows}
    present = [each for each in found if not {each["source_id"], each["target_id"]} & gone]
    return sorted(present, key=lambda each: (each["source_id"], each["target_id"]))


async def _remove_other_parents(
    tx: Tx, installation_id: int, children: Sequence[int], parent: int
) -> list[Edge]:
    """Remove the other parents of the children. Return these relations."""
    parents = await dependency_cycles.edges(tx, installation_id, "parent", awaited=children)
    others = [edge for edge in parents if edge.waits != parent]
    if others:
        await tx.run(
            "DELETE FROM relations WHERE installation_id = :i AND kind = 'parent' "
            "AND source_id IN :children AND target_id <> :parent",
            i=installation_id,
            children=tuple(sorted({edge.awaited for edge in others})),
            parent=parent,
        )
    return others


async def drop(tx: Tx, installation_id: int, issue_id: int) -> None:
    """Drop all relations of a deleted issue."""
    # A cycle through the issue ends, and its other issues block each other again.
    ahead = [
        edge.awaited
        for kind in dependency_cycles.ENDS
        for edge in await dependency_cycles.edges(tx, installation_id, kind, waits=(issue_id,))
    ]
    for end in ("source_id", "target_id"):
        await tx.run(
            f"DELETE FROM relations WHERE installation_id = :i AND {end} = :id "
            "AND kind IN ('parent', 'blocked_by')",
            i=installation_id,
            id=issue_id,
        )
    await dependency_cycles.update_cycles(tx, installation_id, ahead)


async def remove(
    tx: Tx, installation_id: int, kind: Kind, source_id: int, target_id: int
) -> Changed:
    end = {"source": source_id, "target": target_id}
    waits, awaited = (end[each] for each in dependency_cycles.ENDS[kind])
    before = await dependency_cycles.edges(
        tx, installation_id, kind, waits=(waits,), awaited=(awaited,)
    )
    await tx.run(
        "DELETE FROM relations WHERE installation_id = :i AND kind = :kind "
        "AND source_id = :source AND target_id = :target",
        i=installation_id,
        kind=kind,
        **end,
    )
    starts = (awaited,) if before else ()
    newly = await dependency_cycles.update_cycles(tx, installation_id, starts)
    return Changed(newly, _blocked_issues(before))


def _blocked_issues(edges: Sequence[Edge]) -> set[int]:
    return {edge.waits for edge in edges if edge.is_blocking}


async def targets(tx: Tx, installation_id: int, kind: Kind, source_id: int) -> list[Neighbour]:
    """The blockers, or the parent, of an issue."""
    return [
        _with_name(r) for r in await tx.all(TARGETS, i=installation_id, kind=kind, id=source_id)
    ]


async def sources(tx: Tx, installation_id: int, kind: Kind, target_id: int) -> list[Neighbour]:
    """The issues that an issue blocks, or its sub-issues."""
    return [
        _with_name(r) for r in await tx.all(SOURCES, i=installation_id, kind=kind, id=target_id)
    ]


class Around(TypedDict):
    """The issues that an issue has a relation with."""

    parents: list[Neighbour]
    sub_issues: list[Neighbour]
    blockers: list[Neighbour]


def _side_query(side: str, kind: Kind, statement: str) -> str:
    q = statement.replace("SELECT ", f"SELECT '{side}' AS side, ", 1)
    return q.replace(":kind", f"'{kind}'").partition("ORDER BY")[0]


AROUND = " UNION ALL ".join(
    (
        _side_query("parents", "parent", TARGETS),
        _side_query("sub_issues", "parent", SOURCES),
        _side_query("blockers", "blocked_by", TARGETS),
    )
)


async def around(tx: Tx, installation_id: int, issue_id: int) -> Around:
    found: Around = {"parents": [], "sub_issues": [], "blockers": []}
    rows = await tx.all(AROUND, i=installation_id, id=issue_id)
    for row in sorted(rows, key=lambda each: each["other_id"]):
        side: Literal["parents", "sub_issues", "blockers"] = row["side"]
        found[side].append(_with_name(row))
    return found


class Awaited(Neighbour):
    """What the issue `waits_id` waits for."""

    waits_id: int


def _waits_query(kind: Kind, statement: str, this: str) -> str:
    """SQL for what several issues wait for. Without the order, for which it would have to sort."""
    q = statement.replace("SELECT ", f"SELECT s.{this}_id AS waits_id, ", 1)
    q = q.replace(f"s.{this}_id = :id", f"s.{this}_id IN :ids").replace(":kind", f"'{kind}'")
    return q.partition("ORDER BY")[0]


AWAITED = " UNION ALL ".join(
    (_waits_query("blocked_by", TARGETS, "source"), _waits_query("parent", SOURCES, "target"))
)


async def awaited_by(tx: Tx, installation_id: int, issue_ids: Collection[int]) -> list[Awaited]:
    """The open blockers and sub-issues that keep these issues waiting."""
    if not issue_ids:
        return []
    rows = await tx.all(AWAITED, i=installation_id, ids=tuple(sorted(issue_ids)))
    found: list[Awaited] = [
        {**_with_name(row), "waits_id": row["waits_id"]} for row in rows if is_blocking(row)
    ]
    return sorted(found, key=lambda each: (each["waits_id"], each["number"] or 0))


SUB_ISSUES = _waits_query("parent", SOURCES, "target")


async def sub_issues_of(tx: Tx, installation_id: int, issue_ids: Collection[int]) -> list[Awaited]:
    """All sub-issues of these issues. `waits_id` is the parent."""
    if not issue_ids:
        return []
    rows = await tx.all(SUB_ISSUES, i=installation_id, ids=tuple(sorted(issue_ids)))
    found: list[Awaited] = [{**_with_name(row), "waits_id": row["waits_id"]} for row in rows]
    return sorted(found, key=lambda each: (each["number"] or 0, each["other_id"]))


BLOCKERS = _waits_query("blocked_by", TARGETS, "source")


async def blockers_of(tx: Tx, installation_id: int, issue_ids: Collection[int]) -> list[Awaited]:
    """All blockers of these issues, open or not. `waits_id` is the blocked issue."""
    if not issue_ids:
        return []
    rows = await tx.all(BLOCKERS, i=installation_id, ids=tuple(sorted(issue_ids)))
    return [{**_with_name(row), "waits_id": row["waits_id"]} for row in rows]


class NamedIssue(TypedDict):
    id: int
    repository_id: int
    full_name: str
    number: int
    state: str


async def named_issues(tx: Tx, installation_id: int, ids: Collection[int]) -> dict[int, NamedIssue]:
    """Those of the issues that the mirror has, in repositories that the installation covers."""
    if not ids:
        return {}
    rows = await tx.all(
        "SELECT i.id, i.repository_id, r.full_name, i.number, i.state FROM issues i "
        "JOIN repositories r ON r.installation_id = i.installation_id AND r.id = i.repository_id "
        "WHERE i.installation_id = :i AND i.id IN :ids AND i.deleted = 0 AND r.deleted = 0 "
        "AND r.selected = 1",
        i=installation_id,
        ids=tuple(sorted(ids)),
    )
    return {row["id"]: row for row in rows}


def is_blocking(row: Neighbour) -> bool:
    """Whether this issue blocks the one that waits for it: it is open and not in a cycle."""
    return bool(row["state"] == "open" and not row["cyclic"])


def _with_name(row: Neighbour) -> Neighbour:
    if row["full_name"]:
        return row | {"name": f"{row['full_name']}#{row['number']}"}
    if row["mirrored_id"] is None:
        return row | {"name": row["noted"]}
    # The installation no longer covers its repository, so its name and title stay hidden.
    return row | {"name": UNSEEN, "title": None}
