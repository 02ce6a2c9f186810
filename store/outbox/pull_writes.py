"""The writes that open pull requests for tasks."""

from store.engine.transaction import Tx
from store.outbox.writes import COUNTED, decode, queued_in
from store.tables.outbox import WriteRow


async def newest_of_task(tx: Tx, installation_id: int, task_id: str) -> WriteRow | None:
    """The newest write that opened a pull request for the task, or may still do so."""
    for queued in reversed(queued_in(tx, installation_id)):
        if (queued["kind"], queued["task_id"]) == ("pull", task_id):
            return queued
    # A task has few of them, so they need no order from the database.
    rows = await tx.all(
        "SELECT * FROM writes WHERE installation_id = :i AND task_id = :t AND state IN :s "
        "AND kind = 'pull'",
        i=installation_id,
        t=task_id,
        s=COUNTED,
    )
    newest = max(rows, key=lambda row: row["seq"], default=None)
    return decode(newest) if newest else None
