"""Contexts: documents that agents share. Their versions have the content."""

from collections.abc import Sequence
from typing import Any

from store.engine import reach, sql
from store.engine.reach import Reach
from store.engine.transaction import Tx
from store.mirror.stored_repositories import PRESENT, VISIBLE
from store.tables.contexts import ContextRow

COLUMNS = (
    "installation_id",
    "id",
    "name",
    "owner",
    "kind",
    "version",
    "task_id",
    "created_at",
    "updated_at",
)
# A context with its task's repository. It is hidden while the repository is hidden. A context whose
# task was deleted stays visible.
SELECT = (
    "SELECT c.*, t.repository_id, t.number, r.full_name FROM contexts c "
    "LEFT JOIN tasks t ON t.installation_id = c.installation_id AND t.id = c.task_id "
    "LEFT JOIN repositories r ON r.installation_id = t.installation_id AND r.id = t.repository_id "
    f"WHERE c.installation_id = :i AND (t.id IS NULL OR ({VISIBLE} AND {PRESENT}))"
)


class FullContext(ContextRow):
    """A context with its task's repository and number, if it belongs to a task."""

    repository_id: int | None
    number: int | None
    full_name: str | None


async def create(tx: Tx, row: ContextRow) -> None:
    await tx.run(sql.insert("contexts", COLUMNS), **row)


async def count_owned(tx: Tx, installation_id: int, owner: str) -> int:
    q = "SELECT COUNT(*) AS n FROM contexts WHERE installation_id = :i AND owner = :o"
    row = await tx.one(q, i=installation_id, o=owner)
    return row["n"] if row else 0


async def get(
    tx: Tx, installation_id: int, context_id: str, repositories: Reach = None
) -> FullContext | None:
    """`repositories`: those within reach, for a context of a task."""
    q = f"{SELECT} AND c.id = :c{reach.none_or_within(repositories, 't.repository_id')}"
    return await tx.one(q, i=installation_id, c=context_id, **reach.parameters(repositories))


async def several(
    tx: Tx, installation_id: int, context_ids: Sequence[str], repositories: Reach = None
) -> list[FullContext]:
    """These contexts, read at one moment."""
    within = reach.none_or_within(repositories, "t.repository_id")
    q = f"{SELECT} AND c.id IN :ids{within} ORDER BY c.id"
    return await tx.all(
        q, i=installation_id, ids=tuple(context_ids), **reach.parameters(repositories)
    )


async def page(
    tx: Tx,
    installation_id: int,
    *,
    task_id: str | None = None,
    owner: str | None = None,
    after: str = "",
    limit: int,
    repositories: Reach = None,
) -> list[FullContext]:
    """A page of the installation's contexts, or those of a task or an owner, by id."""
    where = "c.task_id = :t AND " if task_id is not None else ""
    where += "c.owner = :o AND " if owner is not None else ""
    more: dict[str, Any] = {k: v for k, v in (("t", task_id), ("o", owner)) if v is not None}
    more |= reach.parameters(repositories)
    within = reach.none_or_within(repositories, "t.repository_id")
    q = f"{SELECT} AND {where}c.id > :after{within} ORDER BY c.id LIMIT :n"
    return await tx.all(q, i=installation_id, after=after, n=limit, **more)


async def advance(
    tx: Tx, installation_id: int, context_id: str, now: int, *, expected: int | None = None
) -> bool:
    """Increment the version if it still is `expected`. This decides between two writers."""
    unless = "" if expected is None else " AND version = :expected"
    more = {} if expected is None else {"expected": expected}
    return bool(
        await tx.run(
            "UPDATE contexts SET version = version + 1, updated_at = :now "
            f"WHERE installation_id = :i AND id = :c{unless}",
            now=now,
            i=installation_id,
            c=context_id,
            **more,
        )
    )


async def lock(tx: Tx, installation_id: int, context_id: str) -> None:
    """Lock the context until the transaction ends."""
    q = "SELECT id FROM contexts WHERE installation_id = :i AND id = :c FOR UPDATE"
    await tx.one(q, i=installation_id, c=context_id)
