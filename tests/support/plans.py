"""How an engine would run a statement."""

import warnings
from typing import Any

import aiomysql

from store.engine.transaction import Row, Tx


async def plan(tx: Tx, sql: str, **params: Any) -> list[Row]:
    """A row for each step."""
    if tx.dialect == "sqlite":
        return await tx.all(f"EXPLAIN QUERY PLAN {sql}", **params)
    with warnings.catch_warnings():
        # MySQL adds a note with the statement as the optimiser rewrote it.
        warnings.simplefilter("ignore", aiomysql.Warning)
        return await tx.all(f"EXPLAIN FORMAT=TRADITIONAL {sql}", **params)
