"""The database into which a backup is restored: what it has, and how far the restore is."""

import sqlite3
from collections.abc import Sequence
from typing import Any, TypedDict

from pymysql import err

from store.engine import json_text, key_values, sql
from store.engine.transaction import StoreError, Tx
from store.tables import TABLES

# The fact that says how far a restore is. See `store.backup.contents.LEFT_OUT_FACTS`.
PROGRESS = "restore"
# In place of a table: all rows are there, and the old tables are being dropped.
LOADED, EMPTYING = "loaded.", "emptying."
# What an engine says of rows that do not fit, or that are there already.
MISFITS = (
    *(sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError),
    *(err.IntegrityError, err.DataError, OverflowError),
)
# Tables that every server fills by itself, also without any installation.
FILLED_BY_SERVERS = frozenset({"facts", "senders"})


class Progress(TypedDict):
    """`backup`: the identity of the backup. `rows` of `table` were inserted."""

    backup: str
    table: str
    rows: int


async def is_filled(tx: Tx) -> bool:
    """Whether it has anything that a restore would mix with."""
    for name in TABLES.keys() - FILLED_BY_SERVERS:
        if await tx.one(f"SELECT 1 AS one FROM {name} LIMIT 1") is not None:
            return True
    return False


async def used_until(tx: Tx) -> int | None:
    """When the last lease of a server ends, if a server holds one now."""
    row = await tx.one(
        "SELECT MAX(lease_until) AS until FROM senders WHERE holder <> '' AND lease_until > :now",
        now=await tx.now(),
    )
    return row["until"] if row else None


async def progress(tx: Tx) -> Progress | None:
    found = await key_values.get(tx, PROGRESS)
    return json_text.value(found) if found else None


async def record_progress(tx: Tx, reached: Progress) -> None:
    await key_values.put(tx, PROGRESS, json_text.text(reached))


async def forget_facts(tx: Tx) -> None:
    """Forget what servers noted about the empty database."""
    await tx.run("DELETE FROM facts")


async def end_progress(tx: Tx) -> None:
    await tx.run("DELETE FROM facts WHERE name = :n", n=PROGRESS)


async def columns_of(tx: Tx, table: str) -> set[str]:
    """The columns that the table has in this database; none if there is no such table."""
    if tx.dialect == "sqlite":
        rows = await tx.all("SELECT name FROM pragma_table_info(:t)", t=table)
    else:
        rows = await tx.all(
            "SELECT column_name AS name FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND table_name = :t",
            t=table,
        )
    return {row["name"] for row in rows}


async def insert_rows(
    tx: Tx, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], reached: Progress
) -> None:
    """Insert rows and record that. Does nothing if the progress says that they are there.

    A transaction is repeated after a COMMIT whose answer was lost.
    """
    if (await progress(tx)) == reached:
        return
    given = [dict(zip(columns, row, strict=True)) for row in rows]
    try:
        await tx.many(sql.insert(table, columns), given)
    except MISFITS as exc:
        raise StoreError(f"Rows of {table} in the backup do not fit the database: {exc}.") from exc
    await record_progress(tx, reached)
