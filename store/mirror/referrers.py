"""Finds the rows that refer to a label, a milestone or an issue."""

from collections.abc import Collection
from typing import TypedDict

from store.engine.transaction import Row, Tx


class RelatedIssue(TypedDict):
    """An issue at the other end of a relation."""

    kind: str
    id: int
    repository_id: int
    number: int


async def threads_with(
    tx: Tx,
    installation_id: int,
    repository_id: int,
    label: str | None,
    milestone: int | None,
    limit: int,
) -> list[tuple[str, int]]:
    """The kind and number of threads with the label, given as JSON, or with the milestone."""
    by = "labels LIKE :like ESCAPE '!'" if label is not None else "milestone = :milestone"
    where = f"WHERE installation_id = :i AND repository_id = :r AND deleted = 0 AND {by}"
    q = (
        f"SELECT 'issue' AS kind, number FROM issues {where} AND is_pull_request = 0 "
        f"UNION ALL SELECT 'pull_request', number FROM pull_requests {where} LIMIT :n"
    )
    more: Row = {"like": _like(label)} if label is not None else {"milestone": milestone}
    rows = await tx.all(q, i=installation_id, r=repository_id, n=limit, **more)
    return [(row["kind"], row["number"]) for row in rows]


def _like(label: str) -> str:
    return "%" + label.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"


async def live_labels(
    tx: Tx, installation_id: int, repository_id: int, names: Collection[str]
) -> set[str]:
    """Which of the names belong to existing labels, and to no deleted one."""
    rows = await tx.all(
        "SELECT name, MAX(deleted) AS gone FROM labels WHERE installation_id = :i "
        "AND repository_id = :r AND name IN :names GROUP BY name",
        i=installation_id,
        r=repository_id,
        names=tuple(sorted(names)),
    )
    return {row["name"] for row in rows if not row["gone"]}


async def is_dead_milestone(tx: Tx, installation_id: int, repository_id: int, number: int) -> bool:
    q = (
        "SELECT 1 AS gone FROM milestones WHERE installation_id = :i AND repository_id = :r "
        "AND number = :n AND deleted = 1"
    )
    return await tx.one(q, i=installation_id, r=repository_id, n=number) is not None


async def items_of(tx: Tx, installation_id: int, node_id: str) -> list[int]:
    """The board items with that content."""
    q = (
        "SELECT id FROM project_items WHERE installation_id = :i AND content_node_id = :n "
        "AND deleted = 0"
    )
    return [row["id"] for row in await tx.all(q, i=installation_id, n=node_id)]


async def has_moved(tx: Tx, installation_id: int, node_id: str) -> bool:
    """Whether the issue moved to another repository."""
    q = (
        "SELECT 1 AS gone FROM transfers t JOIN issues n ON n.installation_id = t.installation_id "
        "AND n.repository_id = t.repository_id AND n.number = t.number "
        "WHERE t.installation_id = :i AND n.node_id = :node"
    )
    return await tx.one(f"{q} LIMIT 1", i=installation_id, node=node_id) is not None


async def neighbours(tx: Tx, installation_id: int, issue_id: int) -> list[RelatedIssue]:
    """The parents of an issue and the issues that it blocks, as far as the mirror has them."""
    q = (
        "SELECT s.kind, n.id, n.repository_id, n.number FROM relations s JOIN issues n "
        "ON n.installation_id = s.installation_id AND n.id = s.{end}_id AND n.deleted = 0 "
        "WHERE s.installation_id = :i AND s.kind = '{kind}' AND s.{this}_id = :id"
    )
    parents = q.format(kind="parent", this="source", end="target")
    blocked = q.format(kind="blocked_by", this="target", end="source")
    return await tx.all(f"{parents} UNION ALL {blocked}", i=installation_id, id=issue_id)
