"""What an agent gets of a task or a message, by whatever protocol."""

from functools import partial
from typing import Any

from bot.errors import Refused
from bot.files import links
from bot.protocols.link import Delivery, Link
from bot.tasks import lookup
from bot.tasks.priorities import PRIORITIES
from bot.times import stamp
from store.engine.transaction import Tx
from store.files import attachments
from store.messages import messages
from store.tables.files import UseKind
from store.tables.protocols import DeliveryKind
from store.tasks import tasks

TYPES: dict[DeliveryKind, str] = {
    "task": "task.assigned",
    "message": "message.sent",
    "cancel": "task.cancelled",
    "test": "test",
}
# The parts of get_task that claim_task answers too.
OF_TASK = ("task", "step", "overlaps", "around", "comments")


async def body(link: Link, delivery: Delivery) -> dict[str, Any]:
    """What callbacks and plug-ins get. Raise Refused if what it is about is no longer there."""
    kind = delivery.row["kind"]
    found: dict[str, Any] = {
        "type": TYPES[kind],
        "id": delivery.key,
        "agent": delivery.actor.name,
        "server": link.public_url,
    }
    if kind == "task":
        found |= await task(link, delivery)
    elif kind == "message":
        found["message"] = await message(link, delivery)
    elif kind == "cancel":
        found["task"] = {"id": delivery.row["subject"]}
    return found


async def task(link: Link, delivery: Delivery) -> dict[str, Any]:
    """The task in the form of `claim_task`'s answer, without a lease. Raise Refused."""
    found = await link.calls.call(delivery.actor, "get_task", {"task": delivery.row["subject"]})
    shown = {name: found[name] for name in OF_TASK if found.get(name)}
    files = await link.store.read(partial(_files, link=link, delivery=delivery, kind="task"))
    return {**shown, "body": found.get("issue"), **files}


async def message(link: Link, delivery: Delivery) -> dict[str, Any]:
    """Raise Refused if it was withdrawn."""
    found = await link.store.read(partial(_message, delivery=delivery))
    files = await link.store.read(partial(_files, link=link, delivery=delivery, kind="message"))
    return {**found, **files}


async def _files(tx: Tx, link: Link, delivery: Delivery, kind: UseKind) -> dict[str, Any]:
    """The files of a task or a message, each with an address that works for some minutes."""
    i, subject = delivery.row["installation_id"], delivery.row["subject"]
    rows = await attachments.attached_to(tx, i, kind, [subject])
    now = await tx.now()
    found = [
        {
            "id": row["id"],
            "name": row["name"],
            "type": row["type"],
            "size": row["size"],
            "url": f"{link.public_url}{links.download(link.keys, i, row['id'], now)}",
        }
        for row in rows
    ]
    return {"attachments": found} if found else {}


async def _message(tx: Tx, delivery: Delivery) -> dict[str, Any]:
    i = delivery.row["installation_id"]
    row = await messages.get(tx, i, delivery.row["subject"])
    if row is None or row["deleted_at"] is not None:
        raise Refused("unknown_message", "The message was withdrawn.")
    about = await tasks.get(tx, i, row["task_id"]) if row["task_id"] else None
    return {
        "id": row["id"],
        "thread_id": row["thread_id"],
        "sender": row["sender"],
        "to": row["recipient"],
        "task": lookup.name(about) if about else None,
        "priority": PRIORITIES[row["priority"]],
        "body": row["body"],
        "sent_at": stamp(row["sent_at"]),
    }
