"""Messages that an operation sends to one agent on behalf of the actor."""

from bot.identity.actors import Actor
from bot.messages import delivery
from bot.tasks.priorities import PRIORITIES, Priority
from bot.times import SECOND
from store.engine import ids
from store.engine.transaction import Tx
from store.messages import messages
from store.tables.messages import MessageRow
from store.tasks.tasks import FullTask

WEEK = 7 * 24 * 3600 * SECOND


async def post(
    tx: Tx, actor: Actor, to: str, body: str, *, task: FullTask | None, priority: Priority
) -> str:
    """Send a message. Return its id. Raise Refused."""
    here, now = (tx, actor.installation_id), await tx.now()
    readers, _ = await delivery.split_by_free_space(*here, [to])
    message_id = ids.new("m", now)
    row: MessageRow = {
        "installation_id": actor.installation_id,
        "id": message_id,
        "seq": now,
        "thread_id": message_id,
        "sender": actor.name,
        "recipient": to,
        "task_id": task and task["id"],
        "priority": PRIORITIES.index(priority),
        "body": body,
        "sent_at": now,
        "expires_at": now + WEEK,
        "on_card": 0,
        "deleted_at": None,
        "asked_in": None,
    }
    await messages.send(*here, row, readers)
    await delivery.notify(tx, row, readers, task["repository_id"] if task else None)
    return message_id
