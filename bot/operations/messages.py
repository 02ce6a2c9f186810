"""Messages between agents."""

from collections.abc import AsyncIterator
from typing import Annotated, TypeAlias

from pydantic import BaseModel, Field

from bot import tasks
from bot.actor import SLUG
from bot.errors import Refused
from bot.operation import Answer, Context, TaskRef, operation
from bot.operations.agents import known
from bot.operations.tasks import PRIORITIES, Priority, found
from bot.times import stamp
from store import agents, ids, messages
from store import tasks as stored
from store.transaction import Row

Recipient: TypeAlias = Annotated[
    str,
    Field(
        pattern=rf"^(everybody|role:[a-z-]+|capability:\S+|{SLUG})$",
        max_length=140,
        description="an agent's id, role:developer, capability:python, or everybody",
    ),
]
MessageId: TypeAlias = Annotated[str, Field(max_length=40)]
PAGE = 500


class Message(BaseModel):
    id: str
    thread_id: str
    sender: str
    to: str
    task: str | None
    priority: Priority
    body: str
    sent_at: str


class Messages(Answer):
    messages: list[Message]
    unread: int = Field(description="those handed out here included")


class Sent(Answer):
    message_id: str
    thread_id: str
    recipients: list[str]


class Marked(Answer):
    message_id: str
    unread: int


@operation(role="tester")
async def send_message(
    ctx: Context,
    to: Recipient,
    body: Annotated[str, Field(min_length=1, max_length=20_000)],
    task: TaskRef | None = None,
    reply_to: Annotated[MessageId | None, Field(description="continues that thread")] = None,
    priority: Priority = "medium",
) -> Sent:
    """Tell an agent, a role, a capability or everybody something, without a word on GitHub."""
    about = await found(ctx, task) if task else None
    recipients = await _recipients(ctx, to)
    thread_id = (
        await messages.thread_of(ctx.tx, ctx.installation_id, reply_to) if reply_to else None
    )
    if reply_to and thread_id is None:
        raise Refused("unknown_message", f"There is no message {reply_to!r} to reply to.")
    message_id = ids.new("m", ctx.now)
    row = {
        "id": message_id,
        "thread_id": thread_id or message_id,
        "sender": ctx.actor.name,
        "recipient": to,
        "task_id": about and about["id"],
        "priority": PRIORITIES.index(priority),
        "body": body,
        "sent_at": ctx.now,
    }
    await messages.send(ctx.tx, ctx.installation_id, row, recipients)
    return Sent(message_id=message_id, thread_id=row["thread_id"], recipients=recipients)


async def _recipients(ctx: Context, to: str) -> list[str]:
    kind, _, value = to.partition(":")
    if to == "everybody":
        chosen = [a["id"] async for a in _everybody(ctx)]
    elif kind == "role":
        chosen = [a["id"] async for a in _everybody(ctx) if a["role"] == value]
    elif kind == "capability":
        chosen = [a["id"] async for a in _everybody(ctx) if value in a["capabilities"]]
    else:
        return [(await known(ctx, to))["id"]]
    others = [agent_id for agent_id in chosen if agent_id != ctx.actor.name]
    if not others:
        raise Refused(
            "unknown_agent",
            f"Nobody to tell: no {'other ' if chosen else ''}registered agent is {to!r}. "
            "list_agents shows those there are.",
        )
    return others


async def _everybody(ctx: Context) -> AsyncIterator[Row]:
    after = ""
    while page := await agents.listed(ctx.tx, ctx.installation_id, after, PAGE):
        for row in page:
            yield row
        after = page[-1]["id"]


def _something(answer: Messages) -> bool:
    return bool(answer.messages)


async def _any(ctx: Context) -> bool:
    return await messages.waiting(ctx.tx, ctx.installation_id, ctx.actor.name)


@operation(role="observer", quiet=True, settled=_something, peek=_any)
async def get_messages(
    ctx: Context,
    limit: Annotated[int, Field(ge=1, le=100)] = 20,
) -> Messages:
    """Your unread messages, most urgent first.

    Each comes again after a minute until mark_message_read.
    """
    rows = await messages.inbox(ctx.tx, ctx.installation_id, ctx.actor.name, limit)
    unread = await messages.unread(ctx.tx, ctx.installation_id, ctx.actor.name)
    return Messages(messages=[await _shown(ctx, row) for row in rows], unread=unread)


@operation(role="observer", idempotent=True, quiet=True)
async def mark_message_read(ctx: Context, message_id: MessageId) -> Marked:
    """Say that you have read a message, so that it does not come again."""
    if not await messages.mark_read(ctx.tx, ctx.installation_id, ctx.actor.name, message_id):
        raise Refused("unknown_message", f"There is no message {message_id!r} in your inbox.")
    unread = await messages.unread(ctx.tx, ctx.installation_id, ctx.actor.name)
    return Marked(message_id=message_id, unread=unread)


async def _shown(ctx: Context, row: Row) -> Message:
    task_id = row["task_id"]
    task = await stored.visible(ctx.tx, ctx.installation_id, task_id) if task_id else None
    return Message(
        id=row["id"],
        thread_id=row["thread_id"],
        sender=row["sender"],
        to=row["recipient"],
        task=tasks.name(task) if task else None,
        priority=PRIORITIES[row["priority"]],
        body=row["body"],
        sent_at=stamp(row["sent_at"]),
    )
