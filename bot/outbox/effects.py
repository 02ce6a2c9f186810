"""What the end of a write means for its task."""

from bot.comments import replies
from bot.identity.actors import BOT
from bot.tasks import lifecycle
from bot.tasks.states import OPEN
from store.engine.transaction import Tx
from store.mirror import mirror_rows
from store.tables.outbox import WriteRow
from store.tasks import tasks as stored


async def apply_failure(tx: Tx, write: WriteRow, why: str) -> None:
    """Bring the task in line with a write that was refused, cancelled or given up."""
    installation_id, task_id = write["installation_id"], write["task_id"]
    task = await stored.locked(tx, installation_id, task_id) if task_id else None
    if task is None:
        return
    task_id = task["id"]
    if write["kind"] == "issue" and task["number"] is None and task["state"] in OPEN:
        await stored.change(tx, installation_id, task_id, note=f"It has no issue: {why}")
        await lifecycle.move(tx, task, "failed", BOT, "its issue could not be made")
    if task["question"] and write["arguments"].get("body") == replies.asks(task["question"]):
        await lifecycle.unasked(tx, task, why)
    card = task["card_comment_id"]
    if write["kind"] == "card" and await mirror_rows.is_deleted(
        tx, "comments", installation_id, card
    ):
        # Somebody deleted the card, so the next change posts a new one. A 404 alone is no proof:
        # the App may have been unable to see the comment for a while.
        await stored.change(tx, installation_id, task_id, card_comment_id=None)
