"""Delivery of messages: recipients, limits, events, and dead letters for unread ones."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from bot.errors import Refused
from bot.identity.actors import BOT, EVERYBODY, Actor, is_hosted
from bot.kernel import remedies
from bot.quotas.table import Quota
from bot.tasks.capabilities import HIGHEST, is_capability, meets
from bot.tasks.priorities import PRIORITIES
from bot.times import SECOND, span
from store import events
from store.agents import agents
from store.engine.transaction import Tx
from store.messages import dead_letters, mailbox, messages
from store.messages.dead_letters import Expired
from store.messages.messages import Listener
from store.protocols import endpoint_deliveries
from store.tables.messages import MessageRow

# The quotas of messages.
SENT = ("messages_a_minute", "messages_an_hour")
# Unread messages that one agent may have.
MOST_UNREAD = 1000
# For more readers than this, one event notifies everybody.
MOST_EVENTS = 50
# Agents that an answer or an event names.
MOST_NAMED = 50


async def check_may_send(tx: Tx, actor: Actor, quotas: Mapping[str, Quota]) -> None:
    """Raise Refused if the sender has not registered, or sends too much.

    A person who sends by a command has no quota.
    """
    i = actor.installation_id
    if not actor.is_person and not actor.is_plugin:
        row = await messages.lock_sender(tx, i, actor.name)
        if row is None or row["left_at"] is not None:
            raise Refused(
                "not_registered",
                "Call register_agent first, because only a registered agent can get an answer.",
            )
    now = await tx.now()
    for name in SENT if not actor.is_person else ():
        most, seconds = quotas[name].agent, quotas[name].per_s or 1
        if most is None:
            continue
        since = await messages.sent_nth(tx, i, actor.name, most)
        wait = since + seconds * SECOND - now
        if since and wait > 0:
            raise Refused(
                "rate_limited",
                f"{actor.name} sent {most} messages in {span(seconds * SECOND)}, which is the "
                f"limit. Send the next one in {span(wait)}, and put more into one message.",
                retry_after_s=-(-wait // SECOND),
                quota=name,
                of="agent",
                most=most,
                used=most,
            )


def _where_agents_are(actor: Actor) -> str:
    return f"{remedies.by(actor, person='`/agents`', agent='list_agents')} lists the agents."


async def recipients(tx: Tx, actor: Actor, to: str) -> list[str]:
    """The recipients. A group leaves out the sender. Raise Refused if there are none."""
    i = actor.installation_id
    kind, sign, value = to.partition(":")
    if is_hosted(to):
        raise Refused(
            "not_reachable",
            f"{to} is an agent that GitHub hosts, so it gets no messages of Hubbub. Comment on the "
            "issue, or on its pull request and mention it there.",
        )
    if to != EVERYBODY and not sign:
        row = await agents.get(tx, i, to)
        if row is None or row["left_at"] is not None:
            gone = "has left" if row else "has not registered in this installation"
            where = _where_agents_are(actor)
            others = f"For all of them pass {EVERYBODY}, for people call github_comment_issue."
            raise Refused("unknown_agent", f"{to!r} {gone}. {where} {others}")
        return [to]
    if kind == "capability" and not is_capability(value):
        raise Refused(
            "invalid_arguments",
            f"`to`: {value!r} is not a capability. Pass a slug, with a level from 1 to {HIGHEST} "
            "if it matters, for example capability:python or capability:python:3.",
        )
    chosen = [
        row["id"]
        for row in await messages.listeners(tx, i)
        if row["id"] != actor.name and not is_hosted(row["id"]) and _is_meant(row, kind, value)
    ]
    if not chosen:
        raise Refused(
            "unknown_agent",
            f"No other registered agent matches {to!r}. {_where_agents_are(actor)}",
        )
    return chosen


def _is_meant(agent: Listener, kind: str, value: str) -> bool:
    if kind == "role":
        return bool(agent["role"] == value)
    return kind == EVERYBODY or meets(agent["capabilities"], value)


async def split_by_free_space(
    tx: Tx, installation_id: int, chosen: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The agents that can get a message, and the full ones. Raise Refused if all are full."""
    full = await mailbox.full(tx, installation_id, chosen, MOST_UNREAD)
    free = sorted(set(chosen) - set(full))
    if not free:
        raise Refused(
            "inbox_full",
            f"{', '.join(full[:MOST_NAMED])} {'has' if len(full) == 1 else 'have'} {MOST_UNREAD} "
            "unread messages. Nothing was sent. Try again when they have read some.",
            full=full[:MOST_NAMED],
        )
    return free, full


async def notify(
    tx: Tx, message: MessageRow, recipients: Sequence[str], repository_id: int | None
) -> None:
    """Wake the recipients that wait. The event has no text; get_messages returns it.

    For those that Hubbub reaches by itself, queue the message.
    """
    i, who = message["installation_id"], message["sender"]
    await endpoint_deliveries.queue(tx, i, recipients, "message", message["id"])
    audiences: Sequence[str | None] = recipients if len(recipients) <= MOST_EVENTS else [None]
    for audience in audiences:
        await events.append(
            tx,
            i,
            "message.sent",
            message["id"],
            who,
            summary(message),
            audience=audience,
            # A recipient may see it in any case, others only if they can see the repository.
            repository_id=None if audience else repository_id,
        )


async def notify_sender(tx: Tx, what: str, message: MessageRow, actor: str, **more: object) -> None:
    """Tell the sender that the message was read, or is dead."""
    await events.append(
        tx,
        message["installation_id"],
        f"message.{what}",
        message["id"],
        actor,
        summary(message) | more,
        audience=message["sender"],
    )


async def record_mailbox_change(
    tx: Tx, installation_id: int, readers: Sequence[str], actor: str
) -> None:
    """Let the subscribers of these mailboxes read again. Unlike a message, it wakes nobody else."""
    here = (tx, installation_id)
    if len(readers) > MOST_EVENTS:
        await events.append(*here, "inbox.changed", "everybody", actor, {})
        return
    for each in readers:
        await events.append(*here, "inbox.changed", each, actor, {}, audience=each)


def summary(message: MessageRow) -> dict[str, Any]:
    return {
        "message": message["id"],
        "thread": message["thread_id"],
        "sender": message["sender"],
        "priority": PRIORITIES[message["priority"]],
        "task": message["task_id"],
    }


async def expire(tx: Tx, installation_id: int, limit: int) -> int:
    """Turn unread, expired messages of an installation into dead letters. Return how many."""
    rows = await dead_letters.lock_expired_receipts(tx, installation_id, limit)
    rows.sort(key=_message_id)
    for message_id, group in groupby(rows, _message_id):
        dead = list(group)
        await dead_letters.mark_dead(
            tx, installation_id, message_id, [row["agent_id"] for row in dead]
        )
        message = await messages.get(tx, installation_id, message_id)
        if message is not None:
            await _notify_of_death(tx, message, dead)
            await record_mailbox_change(tx, installation_id, [row["agent_id"] for row in dead], BOT)
    return len(rows)


def _message_id(receipt: Expired) -> str:
    return receipt["message_id"]


async def _notify_of_death(tx: Tx, message: MessageRow, dead: Sequence[Expired]) -> None:
    for why in ("expired", "undelivered"):
        names = [row["agent_id"] for row in dead if _cause_of_death(row) == why]
        if names:
            more = {"why": why, "recipients": names[:MOST_NAMED], "count": len(names)}
            await notify_sender(tx, "dead", message, BOT, **more)


def _cause_of_death(receipt: Expired) -> str:
    return "undelivered" if receipt["attempts"] >= mailbox.MOST_ATTEMPTS else "expired"
