"""What a bug report says about the database. By hand only: it reads all installations."""

from typing import Any, TypedDict

from store.engine.transaction import Tx

# By table: what a row says beside its error, and the states of a failure.
TABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "deliveries": ("event AS kind", ("failed", "dead")),
    "pending_reads": ("kind", ("answered",)),
    "writes": ("kind", ("refused", "unknown", "dead")),
}


class Failure(TypedDict):
    kind: str
    state: str
    not_before: int
    error: Any


async def newest(tx: Tx, table: str, most: int) -> list[Failure]:
    """The rows of each state of failure, `most` of each."""
    kind, states = TABLES[table]
    found: list[Failure] = []
    for state in states:
        found += await tx.all(
            f"SELECT {kind}, state, not_before, error FROM {table} WHERE state = :state "
            "AND error IS NOT NULL ORDER BY not_before DESC LIMIT :most",
            state=state,
            most=most,
        )
    return found


async def engine_version(tx: Tx) -> str:
    """As the engine says it, such as 10.11.6-MariaDB."""
    function = "sqlite_version()" if tx.dialect == "sqlite" else "VERSION()"
    row = await tx.one(f"SELECT {function} AS version")
    return str(row and row["version"])
