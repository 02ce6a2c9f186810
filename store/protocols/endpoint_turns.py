"""The steps of tasks that Hubbub runs with a model."""

from typing import Any

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.protocols import EndpointTurnRow

COLUMNS = tuple(EndpointTurnRow.__annotations__)


async def add(tx: Tx, installation_id: int, delivery_id: str, seq: int, content: Any) -> None:
    """Store a step, unless it is there: the work of a lost COMMIT runs again."""
    key = ("installation_id", "delivery_id", "seq")
    await tx.run(
        sql.insert_new(tx.dialect, "endpoint_turns", COLUMNS, key),
        installation_id=installation_id,
        delivery_id=delivery_id,
        seq=seq,
        content=json_text.text(content),
        at=await tx.now(),
    )


async def of(tx: Tx, installation_id: int, delivery_id: str, limit: int) -> list[EndpointTurnRow]:
    """The first steps in their order."""
    rows = await tx.all(
        "SELECT * FROM endpoint_turns WHERE installation_id = :i AND delivery_id = :d "
        "ORDER BY seq LIMIT :n",
        i=installation_id,
        d=delivery_id,
        n=limit,
    )
    return [row | {"content": json_text.value(row["content"])} for row in rows]
