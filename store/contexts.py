"""Contexts: their versions, who may see them, and snapshots. What they hold comes sealed."""

import json
from collections.abc import Mapping, Sequence

from store import sql
from store.mirror import PRESENT, VISIBLE
from store.transaction import Row, Tx

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
VERSION_COLUMNS = (
    "installation_id",
    "context_id",
    "version",
    "author",
    "at",
    "note",
    "checksum",
    "size",
    "key_id",
    "sealed",
)
GRANT_COLUMNS = (
    "installation_id",
    "context_id",
    "grantee",
    "access",
    "granted_by",
    "granted_at",
)
GRANT_KEY = ("installation_id", "context_id", "grantee")
SNAPSHOT_COLUMNS = ("installation_id", "id", "name", "author", "at", "members")
# With its task's repository. One whose task is not to be seen is not there; of a task that made
# way for another nothing is left to see or to hide.
SELECT = (
    "SELECT c.*, t.repository_id, t.number, r.full_name FROM contexts c "
    "LEFT JOIN tasks t ON t.installation_id = c.installation_id AND t.id = c.task_id "
    "LEFT JOIN repositories r ON r.installation_id = t.installation_id AND r.id = t.repository_id "
    f"WHERE c.installation_id = :i AND (t.id IS NULL OR ({VISIBLE} AND {PRESENT}))"
)
ABOUT = "version, author, at, note, checksum, size"
# More tasks than anybody holds.
MOST_HELD = 200


async def create(tx: Tx, row: Row) -> None:
    await tx.run(sql.insert("contexts", COLUMNS), **row)


async def owned(tx: Tx, installation_id: int, owner: str) -> int:
    q = "SELECT COUNT(*) AS n FROM contexts WHERE installation_id = :i AND owner = :o"
    row = await tx.one(q, i=installation_id, o=owner)
    return row["n"] if row else 0


async def get(tx: Tx, installation_id: int, context_id: str) -> Row | None:
    return await tx.one(f"{SELECT} AND c.id = :c", i=installation_id, c=context_id)


async def several(tx: Tx, installation_id: int, context_ids: Sequence[str]) -> list[Row]:
    """As they are at one moment."""
    q = f"{SELECT} AND c.id IN :ids ORDER BY c.id"
    return await tx.all(q, i=installation_id, ids=tuple(context_ids))


async def listed(
    tx: Tx,
    installation_id: int,
    *,
    task_id: str | None = None,
    owner: str | None = None,
    after: str = "",
    limit: int,
) -> list[Row]:
    """All of the installation, or of a task, or of an owner, by id."""
    where = "c.task_id = :t AND " if task_id is not None else ""
    where += "c.owner = :o AND " if owner is not None else ""
    more = {k: v for k, v in (("t", task_id), ("o", owner)) if v is not None}
    q = f"{SELECT} AND {where}c.id > :after ORDER BY c.id LIMIT :n"
    return await tx.all(q, i=installation_id, after=after, n=limit, **more)


# --- Versions -----------------------------------------------------------------------------------


async def advance(
    tx: Tx, installation_id: int, context_id: str, now: int, *, expected: int | None = None
) -> bool:
    """Count its version up, unless it is not the `expected` one any more: this decides."""
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
    """Nobody else changes it before this transaction ends."""
    q = "SELECT id FROM contexts WHERE installation_id = :i AND id = :c FOR UPDATE"
    await tx.one(q, i=installation_id, c=context_id)


async def add_version(tx: Tx, row: Row) -> None:
    await tx.run(sql.insert("context_versions", VERSION_COLUMNS), **row)


async def version(tx: Tx, installation_id: int, context_id: str, number: int) -> Row | None:
    return await tx.one(
        "SELECT * FROM context_versions "
        "WHERE installation_id = :i AND context_id = :c AND version = :v",
        i=installation_id,
        c=context_id,
        v=number,
    )


async def sizes(tx: Tx, installation_id: int, versions: Mapping[str, int]) -> int:
    """How many bytes these versions have, one of each context, before they were packed."""
    rows = await tx.all(
        "SELECT context_id, version, size FROM context_versions "
        "WHERE installation_id = :i AND context_id IN :ids AND version IN :versions",
        i=installation_id,
        ids=tuple(versions),
        versions=tuple(set(versions.values())),
    )
    return sum(row["size"] for row in rows if versions[row["context_id"]] == row["version"])


async def history(
    tx: Tx, installation_id: int, context_id: str, upto: int, limit: int
) -> list[Row]:
    """What is known of its versions beside their content, the newest first."""
    return await tx.all(
        f"SELECT {ABOUT} FROM context_versions WHERE installation_id = :i AND context_id = :c "
        "AND version <= :upto ORDER BY version DESC LIMIT :n",
        i=installation_id,
        c=context_id,
        upto=upto,
        n=limit,
    )


# --- Who may ------------------------------------------------------------------------------------


async def grant(tx: Tx, row: Row) -> None:
    await tx.run(sql.upsert(tx.dialect, "context_grants", GRANT_COLUMNS, GRANT_KEY), **row)


async def revoke(tx: Tx, installation_id: int, context_id: str, grantee: str) -> None:
    await tx.run(
        "DELETE FROM context_grants WHERE installation_id = :i AND context_id = :c "
        "AND grantee = :g",
        i=installation_id,
        c=context_id,
        g=grantee,
    )


async def grants(tx: Tx, installation_id: int, context_id: str) -> list[Row]:
    """Whom it is shared with: `grantee` and `access`."""
    return await tx.all(
        "SELECT grantee, access FROM context_grants WHERE installation_id = :i "
        "AND context_id = :c ORDER BY grantee",
        i=installation_id,
        c=context_id,
    )


async def granted(
    tx: Tx, installation_id: int, grantees: Sequence[str], context_ids: Sequence[str]
) -> list[Row]:
    """Of these contexts what these grantees were given: `context_id`, `grantee`, `access`."""
    return await tx.all(
        "SELECT context_id, grantee, access FROM context_grants WHERE installation_id = :i "
        "AND context_id IN :ids AND grantee IN :who",
        i=installation_id,
        ids=tuple(context_ids),
        who=tuple(grantees),
    )


async def granted_ids(
    tx: Tx, installation_id: int, grantees: Sequence[str], after: str, limit: int
) -> list[str]:
    """The contexts that these grantees were given, by id."""
    rows = await tx.all(
        "SELECT DISTINCT context_id FROM context_grants WHERE installation_id = :i "
        "AND grantee IN :who AND context_id > :after ORDER BY context_id LIMIT :n",
        i=installation_id,
        who=tuple(grantees),
        after=after,
        n=limit,
    )
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


# --- Snapshots ----------------------------------------------------------------------------------


async def add_snapshot(tx: Tx, row: Row) -> None:
    """`members`: versions by context id."""
    row = row | {"members": json.dumps(row["members"])}
    await tx.run(sql.insert("context_snapshots", SNAPSHOT_COLUMNS), **row)


async def snapshot(tx: Tx, installation_id: int, snapshot_id: str) -> Row | None:
    q = "SELECT * FROM context_snapshots WHERE installation_id = :i AND id = :s"
    row = await tx.one(q, i=installation_id, s=snapshot_id)
    return _decoded(row) if row else None


async def snapshots(
    tx: Tx, installation_id: int, author: str | None, before: str, limit: int
) -> list[Row]:
    """All, or an author's, the newest first."""
    where = "" if author is None else "author = :a AND "
    more = {} if author is None else {"a": author}
    rows = await tx.all(
        f"SELECT * FROM context_snapshots WHERE installation_id = :i AND {where}id < :before "
        "ORDER BY id DESC LIMIT :n",
        i=installation_id,
        before=before,
        n=limit,
        **more,
    )
    return [_decoded(row) for row in rows]


async def snapshots_of(tx: Tx, installation_id: int, author: str) -> int:
    q = "SELECT COUNT(*) AS n FROM context_snapshots WHERE installation_id = :i AND author = :a"
    row = await tx.one(q, i=installation_id, a=author)
    return row["n"] if row else 0


def _decoded(row: Row) -> Row:
    return row | {"members": json.loads(row["members"])}


# --- What was found broken ----------------------------------------------------------------------


async def told_broken(tx: Tx, installation_id: int, context_id: str) -> set[int]:
    """The versions of which an event has said that they are broken."""
    rows = await tx.all(
        "SELECT data FROM events WHERE installation_id = :i AND subject = :c "
        "AND kind = 'context.broken'",
        i=installation_id,
        c=context_id,
    )
    return {json.loads(row["data"])["version"] for row in rows}
