"""Grants of contexts to agents, roles and holders of tasks."""

from collections.abc import Sequence
from typing import Literal, TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.contexts import ContextGrantRow

COLUMNS = (
    "installation_id",
    "context_id",
    "grantee",
    "access",
    "granted_by",
    "granted_at",
)
KEY = ("installation_id", "context_id", "grantee")
# More tasks than anybody holds.
MOST_HELD = 200


class Grant(TypedDict):
    grantee: str
    access: Literal["read", "write"]


class GrantOn(Grant):
    context_id: str


async def grant(tx: Tx, row: ContextGrantRow) -> None:
    await tx.run(sql.upsert(tx.dialect, "context_grants", COLUMNS, KEY), **row)


async def revoke(tx: Tx, installation_id: int, context_id: str, grantee: str) -> None:
    await tx.run(
        "DELETE FROM context_grants WHERE installation_id = :i AND context_id = :c "
        "AND grantee = :g",
        i=installation_id,
        c=context_id,
        g=grantee,
    )


async def of(tx: Tx, installation_id: int, context_id: str) -> list[Grant]:
    """The grants of a context."""
    return await tx.all(
        "SELECT grantee, access FROM context_grants WHERE installation_id = :i "
        "AND context_id = :c ORDER BY grantee",
        i=installation_id,
        c=context_id,
    )


async def to_grantees(
    tx: Tx, installation_id: int, grantees: Sequence[str], context_ids: Sequence[str]
) -> list[GrantOn]:
    """The grants of these contexts to these grantees."""
    return await tx.all(
        "SELECT context_id, grantee, access FROM "
        f"{sql.by_index(tx.dialect, 'context_grants', 'PRIMARY')} WHERE installation_id = :i "
        "AND context_id IN :ids AND grantee IN :who",
        i=installation_id,
        ids=tuple(context_ids),
        who=tuple(grantees),
    )


async def granted_ids(
    tx: Tx, installation_id: int, grantees: Sequence[str], after: str, limit: int
) -> list[str]:
    """Ids of the contexts that are shared with these grantees."""
    named = {f"grantee_{n}": grantee for n, grantee in enumerate(grantees)}
    # The first of each grantee, in the order of the index. A DISTINCT over several reads all.
    parts = (
        "SELECT * FROM (SELECT context_id FROM context_grants WHERE installation_id = :i "
        f"AND grantee = :{name} AND context_id > :after ORDER BY context_id LIMIT :n) part_{name}"
        for name in named
    )
    q = f"{' UNION '.join(parts)} ORDER BY context_id LIMIT :n"
    rows = await tx.all(q, i=installation_id, after=after, n=limit, **named)
    return [row["context_id"] for row in rows]


async def held_tasks(tx: Tx, installation_id: int, holder: str, now: int) -> list[str]:
    """The tasks that this agent or person holds by a lease that has not run out."""
    rows = await tx.all(
        "SELECT t.id FROM tasks t JOIN leases l "
        "ON l.installation_id = t.installation_id AND l.id = t.lease_id "
        "WHERE t.installation_id = :i AND t.holder = :h "
        "AND (l.expires_at IS NULL OR l.expires_at > :now) LIMIT :n",
        i=installation_id,
        h=holder,
        now=now,
        n=MOST_HELD,
    )
    return [row["id"] for row in rows]
