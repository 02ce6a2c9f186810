"""A message of Hubbub to an agent that speaks A2A. What it answers goes back to the sender."""

from typing import Any

from bot.errors import Refused
from bot.protocols import payloads
from bot.protocols.a2a import data_parts, remote_tasks
from bot.protocols.a2a.exchange import Exchange
from bot.protocols.a2a.remote_tasks import RemoteTask
from bot.protocols.outcomes import Delivered, Outcome, Rejected
from store.messages import messages
from store.protocols import endpoint_deliveries
from store.tables.protocols import EndpointDeliveryRow

LONGEST = 20_000
# Earlier deliveries of the agent among which the thread and the task are looked for.
MOST_LOOKED_AT = 200


async def step(exchange: Exchange) -> Outcome:
    """Raise Refused or Problem."""
    message = await payloads.message(exchange.link, exchange.delivery)
    remote_id = exchange.delivery.row["remote_id"]
    if not exchange.known.url:
        return await exchange.begin(**await _place(exchange, message))
    if remote_id is None:
        return await _send(exchange, message)
    return await _report(exchange, message, remote_tasks.read_task(await exchange.get(remote_id)))


async def _place(exchange: Exchange, message: dict[str, Any]) -> dict[str, Any]:
    """The context and the remote task that the message continues."""
    row = exchange.delivery.row
    here = (row["installation_id"], row["agent_id"], MOST_LOOKED_AT)
    store, thread = exchange.link.store, {"thread": message["thread_id"]}
    rows = await store.read(lambda tx: endpoint_deliveries.newest(tx, *here))
    stored = await store.read(lambda tx: messages.get(tx, here[0], row["subject"]))
    about = stored and stored["task_id"]
    for each in rows:
        known = each["data"] or {}
        if each["kind"] == "task" and each["subject"] == about and each["remote_id"]:
            # The task itself is looked at by its own delivery.
            return {**thread, "task": each["remote_id"], "context": known.get("context", "")}
        if known.get("thread") == message["thread_id"] and each["id"] != row["id"]:
            return {**thread, **_place_of(each)}
    return thread


def _place_of(row: EndpointDeliveryRow) -> dict[str, str]:
    known = row["data"] or {}
    found = {"context": known.get("context", "")}
    if known.get("state") == "TASK_STATE_INPUT_REQUIRED" and row["remote_id"]:
        found["task"] = row["remote_id"]
    return found


async def _send(exchange: Exchange, message: dict[str, Any]) -> Outcome:
    about = {name: message[name] for name in ("id", "thread_id", "sender", "task", "priority")}
    parts: list[dict[str, Any]] = [{"text": message["body"], "mediaType": "text/markdown"}]
    parts += data_parts.of_files(message)
    found = await exchange.send(exchange.delivery.key, parts, about)
    if isinstance(found, str):
        return await _answer(exchange, message, found)
    exchange.known.context = found.context
    if exchange.known.task:
        return Delivered(found.id, exchange.data())
    return await _report(exchange, message, found)


async def _report(exchange: Exchange, message: dict[str, Any], task: RemoteTask) -> Outcome:
    """Whatever ends the turn of the agent is its answer."""
    wait_s = exchange.wait(task)
    if task.step != "run":
        return await _answer(exchange, message, task.result, task.id)
    if exchange.is_overdue:
        return Rejected(f"it had no answer after {exchange.most_hours} hours")
    return exchange.later(wait_s, task.id)


async def _answer(
    exchange: Exchange, message: dict[str, Any], text: str, remote_id: str | None = None
) -> Outcome:
    """Raise Refused for what passes, such as too many messages in a minute."""
    done = Delivered(remote_id, exchange.data())
    if not text.strip():
        return done
    reply = {"to": message["sender"], "reply_to": message["id"], "body": text[:LONGEST]}
    try:
        await exchange.call("send_message", reply, "reply")
    except Refused as exc:
        if exc.code == "rate_limited":
            raise
        # The sender is Hubbub or has left, or the two only answered each other.
    return done
