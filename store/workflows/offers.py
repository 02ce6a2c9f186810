"""For whom the steps of workflows were reserved when they became ready, and why."""

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.workflows import StepOfferRow

COLUMNS = tuple(StepOfferRow.__annotations__)
KEY = ("installation_id", "task_id")


async def put(tx: Tx, row: StepOfferRow) -> None:
    encoded = {**row, "considered": json_text.text(row["considered"])}
    await tx.run(sql.upsert(tx.dialect, "step_offers", COLUMNS, KEY), **encoded)


async def of_task(tx: Tx, installation_id: int, task_id: str) -> StepOfferRow | None:
    q = "SELECT * FROM step_offers WHERE installation_id = :i AND task_id = :t"
    row: StepOfferRow | None = await tx.one(q, i=installation_id, t=task_id)
    if row is not None:
        row["considered"] = json_text.value(row["considered"])
    return row
