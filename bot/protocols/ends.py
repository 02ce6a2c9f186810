"""What follows for the task or the message when its delivery is over."""

from bot.identity.actors import BOT
from bot.messages import delivery
from bot.tasks import lifecycle
from store.engine.transaction import Tx
from store.messages import mailbox, messages
from store.tables.protocols import EndpointDeliveryRow
from store.tasks import tasks


async def give_back(tx: Tx, row: EndpointDeliveryRow, why: str) -> None:
    """Let others have a task that the agent did not get, or did not finish."""
    await give_back_task(tx, row["installation_id"], row["agent_id"], row["subject"], why)


async def give_back_task(
    tx: Tx, installation_id: int, agent_id: str, task_id: str, why: str
) -> None:
    task = await tasks.lock(tx, installation_id, task_id)
    if task is None:
        return
    if task["state"] == "assigned" and task["assigned_to"] == agent_id:
        await lifecycle.end_reservation(tx, task, BOT, why)
    elif task["holder"] == agent_id and task["state"] == "in_progress":
        await lifecycle.release(tx, task, "revoked", why, BOT, has_failed=True)


async def mark_read(tx: Tx, row: EndpointDeliveryRow, *, later: bool) -> None:
    """Mark a message as read that its agent acknowledged."""
    if later or row["kind"] != "message":
        return
    me = (tx, row["installation_id"], row["agent_id"])
    found = await mailbox.lock_receipts(*me, [row["subject"]])
    if not found or found[0]["state"] in ("read", "deleted"):
        return
    await mailbox.mark_read(*me, [row["subject"]])
    await delivery.record_mailbox_change(*me[:2], [row["agent_id"]], row["agent_id"])
    message = await messages.get(*me[:2], row["subject"])
    if message is not None:
        await delivery.notify_sender(tx, "read", message, row["agent_id"])
