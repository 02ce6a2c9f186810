"""Commits, folders, files and diffs of repositories, which never change, and names of commits.

Every function takes the repository, so that the code of one cannot be reached through another.
"""

import zlib
from collections.abc import Collection, Mapping
from typing import Literal, TypeAlias

from store.engine import sql
from store.engine.transaction import Tx

Kind: TypeAlias = Literal["name", "commit", "tree", "blob", "diff", "problems", "tools"]
# An installation and a repository of it.
Here: TypeAlias = tuple[int, int]

KEY = ("installation_id", "repository_id", "kind", "id")
COLUMNS = (*KEY, "content", "size", "used_at")
# An object that is used is marked at most this often, in microseconds.
MARK_EVERY = 3600 * 1_000_000
# Ids in one statement.
BATCH = 500


async def put(tx: Tx, here: Here, kind: Kind, id_: str, content: bytes) -> None:
    """Store an object, or replace it: a name may get another commit, and a diff more files."""
    packed = zlib.compress(content, 1)
    await tx.run(
        sql.upsert(tx.dialect, "code_objects", COLUMNS, KEY),
        installation_id=here[0],
        repository_id=here[1],
        kind=kind,
        id=id_,
        content=packed,
        size=len(packed),
        used_at=await tx.now(),
    )


async def put_all(tx: Tx, here: Here, kind: Kind, contents: Mapping[str, bytes]) -> None:
    """Store those objects that are not there yet."""
    known = await existing(tx, here, kind, contents)
    for id_, content in contents.items():
        if id_ not in known:
            await put(tx, here, kind, id_, content)


async def get(tx: Tx, here: Here, kind: Kind, id_: str) -> bytes | None:
    return (await get_all(tx, here, kind, [id_])).get(id_)


async def get_all(tx: Tx, here: Here, kind: Kind, ids: Collection[str]) -> dict[str, bytes]:
    """Those of the objects that are there."""
    q = (
        "SELECT id, content FROM code_objects WHERE installation_id = :i "
        "AND repository_id = :r AND kind = :k AND id IN :ids"
    )
    found: dict[str, bytes] = {}
    for some in _batches(ids):
        rows = await tx.all(q, i=here[0], r=here[1], k=kind, ids=some)
        found |= {row["id"]: zlib.decompress(row["content"]) for row in rows}
    return found


async def existing(tx: Tx, here: Here, kind: Kind, ids: Collection[str]) -> set[str]:
    q = (
        "SELECT id FROM code_objects WHERE installation_id = :i AND repository_id = :r "
        "AND kind = :k AND id IN :ids"
    )
    found: set[str] = set()
    for some in _batches(ids):
        rows = await tx.all(q, i=here[0], r=here[1], k=kind, ids=some)
        found |= {row["id"] for row in rows}
    return found


async def named_at(tx: Tx, here: Here, name: str) -> tuple[str, int] | None:
    """The commit that GitHub said a name has, and when."""
    row = await tx.one(
        "SELECT content, used_at FROM code_objects WHERE installation_id = :i "
        "AND repository_id = :r AND kind = 'name' AND id = :id",
        i=here[0],
        r=here[1],
        id=name,
    )
    return (zlib.decompress(row["content"]).decode(), row["used_at"]) if row else None


async def need_mark(tx: Tx, here: Here, kind: Kind, ids: Collection[str]) -> bool:
    """Whether one of these was not marked as used for a while."""
    q = (
        "SELECT 1 AS one FROM code_objects WHERE installation_id = :i AND repository_id = :r "
        "AND kind = :k AND id IN :ids AND used_at < :before LIMIT 1"
    )
    before = await tx.now() - MARK_EVERY
    for some in _batches(ids):
        if await tx.one(q, i=here[0], r=here[1], k=kind, ids=some, before=before):
            return True
    return False


async def mark_used(tx: Tx, here: Here, kind: Kind, ids: Collection[str]) -> None:
    """Keep these longer than others, because somebody used them."""
    now = await tx.now()
    for some in _batches(ids):
        await tx.run(
            "UPDATE code_objects SET used_at = :now WHERE installation_id = :i "
            "AND repository_id = :r AND kind = :k AND id IN :ids AND used_at < :before",
            now=now,
            before=now - MARK_EVERY,
            i=here[0],
            r=here[1],
            k=kind,
            ids=some,
        )


def _batches(ids: Collection[str]) -> list[tuple[str, ...]]:
    every = tuple(ids)
    return [every[n : n + BATCH] for n in range(0, len(every), BATCH)]


async def size_of(tx: Tx, installation_id: int) -> int:
    """The bytes that an installation's objects take."""
    q = "SELECT SUM(size) AS n FROM code_objects WHERE installation_id = :i"
    row = await tx.one(q, i=installation_id)
    return int(row["n"] or 0) if row else 0


async def drop_unused(tx: Tx, installation_id: int, most: int, before: int, limit: int) -> int:
    """Drop objects that were not used since `before`, and the oldest of those beyond `most` bytes.

    Return how many were dropped, at most `limit`.
    """
    too_many = await size_of(tx, installation_id) - most
    rows = await tx.all(
        "SELECT repository_id, kind, id, size, used_at FROM code_objects "
        "WHERE installation_id = :i ORDER BY used_at LIMIT :n",
        i=installation_id,
        n=limit,
    )
    dropped = 0
    for row in rows:
        if row["used_at"] >= before and too_many <= 0:
            break
        too_many -= row["size"]
        dropped += await tx.run(
            "DELETE FROM code_objects WHERE installation_id = :i AND repository_id = :r "
            "AND kind = :k AND id = :id",
            i=installation_id,
            r=row["repository_id"],
            k=row["kind"],
            id=row["id"],
        )
    return dropped
