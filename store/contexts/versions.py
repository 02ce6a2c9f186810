"""The versions of contexts. They are only added, and their content is sealed."""

from collections.abc import Mapping
from typing import TypedDict

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.contexts import ContextVersionRow

COLUMNS = (
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
ABOUT = "version, author, at, note, checksum, size"


class VersionInfo(TypedDict):
    """A version without its content."""

    version: int
    author: str
    at: int
    note: str
    checksum: str
    size: int


async def add(tx: Tx, row: ContextVersionRow) -> None:
    await tx.run(sql.insert("context_versions", COLUMNS), **row)


async def get(
    tx: Tx, installation_id: int, context_id: str, number: int
) -> ContextVersionRow | None:
    return await tx.one(
        "SELECT * FROM context_versions "
        "WHERE installation_id = :i AND context_id = :c AND version = :v",
        i=installation_id,
        c=context_id,
        v=number,
    )


async def size(tx: Tx, installation_id: int, versions: Mapping[str, int]) -> int:
    """The total size of these versions in bytes, before compression."""
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
) -> list[VersionInfo]:
    """The versions of a context without their content, newest first."""
    return await tx.all(
        f"SELECT {ABOUT} FROM context_versions WHERE installation_id = :i AND context_id = :c "
        "AND version <= :upto ORDER BY version DESC LIMIT :n",
        i=installation_id,
        c=context_id,
        upto=upto,
        n=limit,
    )


async def broken_versions(tx: Tx, installation_id: int, context_id: str) -> set[int]:
    """The versions that an event has already reported as broken."""
    rows = await tx.all(
        "SELECT data FROM events WHERE installation_id = :i AND subject = :c "
        "AND kind = 'context.broken'",
        i=installation_id,
        c=context_id,
    )
    return {json_text.value(row["data"])["version"] for row in rows}
