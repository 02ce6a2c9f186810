"""What holds for messages: to whom they go, how many one may send, and when they die."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from bot.errors import Refused
from bot.identity.actors import BOT, EVERYBODY, Actor
from bot.tasks.capabilities import HIGHEST, is_one, meets
from bot.tasks.priorities import PRIORITIES
from bot.times import SECOND, stamp
from store import events
from store.agents import agents
from store.engine.transaction import Tx
from store.messages import dead_letters, mailbox, messages
from store.messages.dead_letters import Expired
from store.messages.messages import Listener
from store.tables.messages import MessageRow

# What one may send, by the seconds in which.
MOST_SENT = {60: 60, 3600: 600}
# What may wait for one reader.
MOST_UNREAD = 1000
# Beyond so many readers all are told by one event.
MOST_TOLD = 50
# Names in an answer or an event.
MOST_NAMED = 50


async def may_send(tx: Tx, actor: Actor) -> None:
    """Raise Refused for who has not registered, and for who sends too much."""
    i = actor.installation_id
    if not actor.is_person:
        row = await messages.sender(tx, i, actor.name)
        if row is None or row["left_at"] is not None:
            raise Refused(
                "not_registered",
                "Call register_agent first: nobody could answer an agent that is not there.",
            )
    now = await tx.now()
    for seconds, most in MOST_SENT.items():
        since = await messages.sent_nth(tx, i, actor.name, most)
        wait = since + seconds * SECOND - now
        if since and wait > 0:
            raise Refused(
                "rate_limited",
                f"{actor.name} has sent {most} messages within {seconds} seconds, the most there "
                f"may be. The next may go at {stamp(now + wait)}; say more in one message.",
                retry_after_s=-(-wait // SECOND),
            )


async def readers(tx: Tx, actor: Actor, to: str) -> list[str]:
    """The agents that are meant, but for the sender, unless named. Raise Refused for nobody."""
    i = actor.installation_id
    kind, sign, value = to.partition(":")
    if to != EVERYBODY and not sign:
        row = await agents.get(tx, i, to)
        if row is None or row["left_at"] is not None:
            gone = "has left" if row else "has not registered in this installation"
            raise Refused(
                "unknown_agent", f"{to!r} {gone}. list_agents shows the agents that there are."
            )
        return [to]
    if kind == "capability" and not is_one(value):
        raise Refused(
            "invalid_arguments",
            f"`to`: {value!r} is no capability: that is a slug, with a level from 1 to {HIGHEST} "
            "if it matters, as capability:python or capability:python:3.",
        )
    chosen = [
        row["id"]
        for row in await messages.listeners(tx, i)
        if row["id"] != actor.name and _is_meant(row, kind, value)
    ]
    if not chosen:
        raise Refused(
            "unknown_agent",
            f"Nobody to tell: no other registered agent is {to!r}. list_agents shows those there "
            "are.",
        )
    return chosen


def _is_meant(agent: Listener, kind: str, value: str) -> bool:
    if kind == "role":
        return bool(agent["role"] == value)
    return kind == EVERYBODY or meets(agent["capabilities"], value)


async def with_room(
    tx: Tx, installation_id: int, chosen: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Those who can take one more, and those who are full. Raise Refused if all are."""
    full = await mailbox.full(tx, installation_id, chosen, MOST_UNREAD)
    free = sorted(set(chosen) - set(full))
    if not free:
        raise Refused(
            "inbox_full",
            f"{', '.join(full[:MOST_NAMED])} {'has' if len(full) == 1 else 'have'} {MOST_UNREAD} "
            "unread messages. Nothing was sent; try again when some were read.",
            full=full[:MOST_NAMED],
        )
    return free, full


async def tell(
    tx: Tx, message: MessageRow, recipients: Sequence[str], repository_id: int | None
) -> None:
    """Wake those who wait for it; the text itself is for the inbox."""
    i, who = message["installation_id"], message["sender"]
    told: Sequence[str | None] = recipients if len(recipients) <= MOST_TOLD else [None]
    for audience in told:
        await events.append(
            tx,
            i,
            "message.sent",
            message["id"],
            who,
            about(message),
            audience=audience,
            # Whom it was sent to may know of it; others only what they see anyway.
            repository_id=None if audience else repository_id,
        )


async def answer(tx: Tx, what: str, message: MessageRow, actor: str, **more: object) -> None:
    """Let its sender know what became of it: read, dead."""
    await events.append(
        tx,
        message["installation_id"],
        f"message.{what}",
        message["id"],
        actor,
        about(message) | more,
        audience=message["sender"],
    )


async def left(tx: Tx, installation_id: int, readers: Sequence[str], actor: str) -> None:
    """Let those who watch these inboxes look anew: unlike a message, it wakes nobody else."""
    here = (tx, installation_id)
    if len(readers) > MOST_TOLD:
        await events.append(*here, "inbox.changed", "everybody", actor, {})
        return
    for each in readers:
        await events.append(*here, "inbox.changed", each, actor, {}, audience=each)


def about(message: MessageRow) -> dict[str, Any]:
    return {
        "message": message["id"],
        "thread": message["thread_id"],
        "sender": message["sender"],
        "priority": PRIORITIES[message["priority"]],
        "task": message["task_id"],
    }


async def expire(tx: Tx, limit: int) -> int:
    """Make dead letters of what was not read in time, of any installation: how many."""
    rows = await dead_letters.expired_receipts(tx, limit)
    rows.sort(key=_message)
    for (installation_id, message_id), group in groupby(rows, _message):
        of_one = list(group)
        await dead_letters.bury(
            tx, installation_id, message_id, [row["agent_id"] for row in of_one]
        )
        message = await messages.get(tx, installation_id, message_id)
        if message is not None:
            await _tell_of_death(tx, message, of_one)
            await left(tx, installation_id, [row["agent_id"] for row in of_one], BOT)
    return len(rows)


def _message(receipt: Expired) -> tuple[int, str]:
    return receipt["installation_id"], receipt["message_id"]


async def _tell_of_death(tx: Tx, message: MessageRow, dead: Sequence[Expired]) -> None:
    for why in ("expired", "undelivered"):
        names = [row["agent_id"] for row in dead if _why(row) == why]
        if names:
            more = {"why": why, "recipients": names[:MOST_NAMED], "count": len(names)}
            await answer(tx, "dead", message, BOT, **more)


def _why(receipt: Expired) -> str:
    return "undelivered" if receipt["attempts"] >= mailbox.MOST_ATTEMPTS else "expired"
