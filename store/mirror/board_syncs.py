"""How each repository's tasks and the board in its settings follow each other."""

from collections.abc import Mapping
from typing import Any, TypeAlias, TypedDict

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.boards import BoardSyncRow

COLUMNS = tuple(BoardSyncRow.__annotations__)
KEY = ("installation_id", "repository_id")
IS_KEY = "installation_id = :i AND repository_id = :r"

Known: TypeAlias = Mapping[str, Mapping[str, Any]]


class BoardSyncKey(TypedDict):
    installation_id: int
    repository_id: int


async def get(tx: Tx, installation_id: int, repository_id: int) -> BoardSyncRow | None:
    q = f"SELECT * FROM board_syncs WHERE {IS_KEY}"
    row = await tx.one(q, i=installation_id, r=repository_id)
    return _decode(row)


def _decode(row: BoardSyncRow | None) -> BoardSyncRow | None:
    if row is not None:
        row["known"] = json_text.value(row["known"])
    return row


async def put(tx: Tx, row: BoardSyncRow) -> None:
    statement = sql.upsert(tx.dialect, "board_syncs", COLUMNS, KEY)
    await tx.run(statement, **{**row, "known": json_text.text(row["known"])})


async def drop(tx: Tx, installation_id: int, repository_id: int) -> None:
    await tx.run(f"DELETE FROM board_syncs WHERE {IS_KEY}", i=installation_id, r=repository_id)


async def of_project(tx: Tx, installation_id: int, project: int) -> list[BoardSyncKey]:
    """The repositories whose settings name this board."""
    q = (
        "SELECT installation_id, repository_id FROM board_syncs "
        "WHERE installation_id = :i AND project = :p ORDER BY repository_id"
    )
    return await tx.all(q, i=installation_id, p=project)


async def of_installation(tx: Tx, installation_id: int) -> list[BoardSyncKey]:
    q = (
        "SELECT installation_id, repository_id FROM board_syncs "
        "WHERE installation_id = :i ORDER BY repository_id"
    )
    return await tx.all(q, i=installation_id)


async def request_sweep(
    tx: Tx, installation_id: int, repository_id: int, at: int, *, restart: bool = False
) -> None:
    """Compare the tasks with the board from this time on, unless that is due earlier.

    `restart`: from the first task on, also if a comparison is under way.
    """
    after = "0" if restart else "CASE WHEN sweep_at IS NULL THEN 0 ELSE sweep_after END"
    # MySQL assigns from left to right, so `sweep_after` comes first.
    await tx.run(
        f"UPDATE board_syncs SET sweep_after = {after}, sweep_at = CASE WHEN sweep_at IS NULL "
        f"OR sweep_at > :at THEN :at ELSE sweep_at END WHERE {IS_KEY}",
        at=at,
        i=installation_id,
        r=repository_id,
    )


async def due_to_sweep(tx: Tx, now: int, limit: int) -> list[BoardSyncKey]:
    q = (
        "SELECT installation_id, repository_id FROM board_syncs WHERE sweep_at <= :now "
        "ORDER BY sweep_at LIMIT :n"
    )
    return await tx.all(q, now=now, n=limit)


async def due_to_look(tx: Tx, now: int, limit: int) -> list[BoardSyncKey]:
    q = (
        "SELECT installation_id, repository_id FROM board_syncs WHERE look_at <= :now "
        "ORDER BY look_at LIMIT :n"
    )
    return await tx.all(q, now=now, n=limit)


async def lock(tx: Tx, key: BoardSyncKey) -> BoardSyncRow | None:
    q = f"SELECT * FROM board_syncs WHERE {IS_KEY} FOR UPDATE"
    row = await tx.one(q, i=key["installation_id"], r=key["repository_id"])
    return _decode(row)
