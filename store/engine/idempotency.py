"""The answers of committed mutations, so that a repeated request is not executed twice."""

from collections.abc import Mapping
from typing import Any

from store.engine import json_text, sql
from store.engine.transaction import Tx

COLUMNS = ("installation_id", "request_key", "at", "result")
KEY = ("installation_id", "request_key")


async def begin(tx: Tx, installation_id: int, key: str, now: int) -> dict[str, Any] | None:
    """The stored answer for this key, or None. After None the caller calls `store_result`.

    Two calls at once with one key wait for each other on its row.
    """
    inserted = await tx.run(
        sql.insert_new(tx.dialect, "requests", COLUMNS, KEY, counter="at"),
        installation_id=installation_id,
        request_key=key,
        at=now,
        result="",
    )
    if inserted == 1:
        return None
    q = "SELECT result FROM requests WHERE installation_id = :i AND request_key = :k FOR UPDATE"
    row = await tx.one(q, i=installation_id, k=key)
    return json_text.value(row["result"]) if row and row["result"] else None


async def store_result(tx: Tx, installation_id: int, key: str, result: Mapping[str, Any]) -> None:
    await tx.run(
        "UPDATE requests SET result = :result WHERE installation_id = :i AND request_key = :k",
        i=installation_id,
        k=key,
        result=json_text.text(result),
    )


async def free(tx: Tx, installation_id: int, key: str) -> None:
    """Let a repeat of the request run again, as it had no effect."""
    q = "DELETE FROM requests WHERE installation_id = :i AND request_key = :k"
    await tx.run(q, i=installation_id, k=key)
