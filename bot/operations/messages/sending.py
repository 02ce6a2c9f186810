"""Sending a message, sending a dead letter again, and withdrawing a message."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from bot import secret_formats
from bot.agents import presence
from bot.errors import Refused
from bot.identity import permissions
from bot.identity.actors import HOLDER
from bot.kernel.operation import Context, Slash, TaskRef, operation
from bot.messages import consultations, delivery
from bot.operations.files import attaching
from bot.operations.files.views import FileIds
from bot.operations.messages import access, answers, consulted
from bot.operations.messages.arguments import MessageId, Recipient
from bot.operations.messages.views import (
    MOST_RECEIPTS,
    Deleted,
    Sent,
)
from bot.operations.tasks.access import visible_task
from bot.tasks import lookup, publishing
from bot.tasks.priorities import PRIORITIES, Priority
from bot.times import SECOND
from store.engine import ids
from store.files import attachments as uses
from store.messages import dead_letters, mailbox, messages, receipts
from store.tables.messages import MessageRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

WEEK_S = 7 * 24 * 3600


# The shortest time between an edit of a card and the next one that shows a message.
CARD_EVERY = 60 * SECOND


ASK = Slash(
    "ask",
    "send a message of high priority to the agent that holds this task or has it reserved",
    ("body",),
    shown="text",
    required=True,
    given={"to": HOLDER, "priority": "high"},
)


@operation(slashes=(ASK,))
async def send_message(
    ctx: Context,
    to: Recipient,
    body: Annotated[str, Field(min_length=1, max_length=20_000, description="the text")],
    task: TaskRef | None = None,
    reply_to: Annotated[MessageId | None, Field(description="continues that thread")] = None,
    priority: Annotated[Priority, Field(description="how urgent it is")] = "medium",
    ttl_s: Annotated[
        int, Field(ge=60, le=30 * 24 * 3600, description="seconds until it expires")
    ] = WEEK_S,
    visibility: Annotated[
        Literal["agents", "issue"],
        Field(description="issue: people also see it on the task's card"),
    ] = "agents",
    attachments: FileIds = [],  # noqa: B006 - pydantic copies it
) -> Sent:
    """Send a message to an agent, a role, a capability or everybody."""
    await delivery.check_may_send(ctx.tx, ctx.actor, ctx.quotas)
    about = await visible_task(ctx, task) if task else None
    if visibility == "issue":
        await _check_may_show(ctx, about)
    if to == HOLDER:
        to = _holder(ctx, about)
    if to.startswith("@"):
        question = await answers.question_of(ctx, to, reply_to)
        chosen: list[str] = []
    else:
        question = None
        chosen = await delivery.recipients(ctx.tx, ctx.actor, to)
    free, full = chosen, list[str]()
    if not question:
        free, full = await delivery.split_by_free_space(ctx.tx, ctx.installation_id, chosen)
    asked = await consulted.answered_by(ctx, reply_to, to, body)
    files = await attaching.check(ctx, attachments)
    message_id = ids.new("m", ctx.now)
    # Hand-offs and cards repeat messages, so a secret would spread.
    text, secrets = secret_formats.mask(body)
    row: MessageRow = {
        "installation_id": ctx.installation_id,
        "id": message_id,
        "seq": ctx.now,
        "thread_id": await _thread(ctx, reply_to) if reply_to else message_id,
        "sender": ctx.actor.name,
        "recipient": to,
        "task_id": (about and about["id"]) or (asked.task_id if asked else None),
        "priority": PRIORITIES.index(priority),
        "body": text,
        "sent_at": ctx.now,
        "expires_at": ctx.now + ttl_s * SECOND,
        "on_card": int(visibility == "issue"),
        "deleted_at": None,
        "asked_in": answers.place_of_question(ctx),
    }
    if asked and asked.choice:
        free = []  # the asker gets the result, and no message for each vote
    await messages.send(ctx.tx, ctx.installation_id, row, free)
    await attaching.attach(ctx, "message", message_id, files)
    await delivery.notify(ctx.tx, row, free, about["repository_id"] if about else None)
    await _show_on_card(ctx, row)
    posted = [await answers.post(ctx, question, text)] if question else []
    cleaned = [f"{each} in body" for each in secrets]
    hint = await consultations.record(ctx.tx, asked.row, row, asked.choice) if asked else None
    more = {"cleaned": cleaned, "writes": posted, "hint": hint}
    return _sent_answer(row, free, full).model_copy(update=more)


async def _check_may_show(ctx: Context, task: FullTask | None) -> None:
    """Raise Refused if the message may not appear on the card, which counts as a write."""
    if task is None:
        raise Refused(
            "invalid_arguments",
            "`visibility` issue needs `task`: the message appears on the card of that task.",
        )
    await presence.check_may_work(ctx.tx, ctx.actor)


def _holder(ctx: Context, task: FullTask | None) -> str:
    """The agent that holds the task, or for which it is reserved. Raise Refused."""
    if task is None:
        raise Refused(
            "invalid_arguments",
            "`to` holder needs `task`: the holder of that task gets the message.",
        )
    who = task["holder"] or task["assigned_to"]
    if who is None:
        raise Refused(
            "unknown_agent",
            f"Nobody holds {lookup.name(task)}, so nobody would get the message. "
            + (
                "Write a comment without a command, for the one that claims the task."
                if ctx.actor.is_person
                else "Send it to an agent or a role."
            ),
        )
    if who.startswith("@"):
        raise Refused(
            "unknown_agent",
            f"A person, {who}, holds {lookup.name(task)}. Comment on its issue to reach them.",
        )
    return str(who)


async def _thread(ctx: Context, reply_to: str) -> str:
    """The thread of a message. Raise Refused unless the actor took part in it."""
    before = await messages.get(ctx.tx, ctx.installation_id, reply_to)
    # Ask in any case, so that a message of others takes as long as none.
    may = await access.is_participant(ctx, before["thread_id"] if before else reply_to)
    if before is None or not may:
        raise access.unknown_error(f"`reply_to`: you sent or got no message {reply_to!r}.")
    return str(before["thread_id"])


async def _show_on_card(ctx: Context, message: MessageRow) -> None:
    if message["on_card"] and message["task_id"]:
        task = await tasks.get(ctx.tx, ctx.installation_id, message["task_id"])
        if task is not None:
            await publishing.show(ctx.tx, task, spacing=CARD_EVERY, makes_card=True)


def _sent_answer(row: MessageRow, readers: Sequence[str], full: Sequence[str] = ()) -> Sent:
    return Sent(
        message_id=row["id"],
        thread_id=row["thread_id"],
        recipients=list(readers[: delivery.MOST_NAMED]),
        count=len(readers),
        full=list(full[: delivery.MOST_NAMED]),
    )


@operation(idempotent=True)
async def resend_message(ctx: Context, message_id: MessageId) -> Sent:
    """Resend a dead letter that you sent or received. It is valid for a week."""
    row = await messages.get(ctx.tx, ctx.installation_id, message_id, lock=True)
    dead = await dead_letters.lock_dead_readers(ctx.tx, ctx.installation_id, message_id)
    leads_all = permissions.allows_everywhere(ctx.actor, "resend_message")
    may_all = row is not None and (ctx.actor.name == row["sender"] or leads_all)
    me = (ctx.tx, ctx.installation_id, ctx.actor.name)
    # A message of others gets the same error as none, by the same statements.
    is_mine = may_all or await mailbox.lock_receipts(*me, [message_id])
    if row is None or row["deleted_at"] is not None or not is_mine:
        raise access.unknown_error(f"You have no message {message_id!r} to send again.")
    if not may_all:
        dead = [each for each in dead if each == ctx.actor.name]
    if not dead:
        return _sent_answer(row, [])
    free, full = await delivery.split_by_free_space(ctx.tx, ctx.installation_id, dead)
    until = ctx.now + WEEK_S * SECOND
    await dead_letters.revive(ctx.tx, ctx.installation_id, message_id, free, until)
    task = await access.task_in_reach(ctx, row["task_id"]) if row["task_id"] else None
    await delivery.notify(ctx.tx, row, free, task["repository_id"] if task else None)
    return _sent_answer(row, free, full)


@operation(idempotent=True, destructive=True)
async def delete_message(ctx: Context, message_id: MessageId) -> Deleted:
    """Withdraw your message from recipients who have not read it, or delete one sent to you."""
    row = await messages.get(ctx.tx, ctx.installation_id, message_id, lock=True)
    if row is None or row["sender"] != ctx.actor.name:
        if not await mailbox.drop(ctx.tx, ctx.installation_id, ctx.actor.name, message_id):
            raise access.unknown_error(f"You sent or got no message {message_id!r}.")
        await delivery.record_mailbox_change(
            ctx.tx, ctx.installation_id, [ctx.actor.name], ctx.actor.name
        )
        return Deleted(message_id=message_id, read_by=[])
    if row["deleted_at"] is None:
        await consulted.withdraw(ctx, message_id)
        waiting = await receipts.waiting(ctx.tx, ctx.installation_id, message_id)
        await messages.delete(ctx.tx, ctx.installation_id, message_id)
        await uses.detach(ctx.tx, ctx.installation_id, "message", [message_id], ctx.now)
        await delivery.record_mailbox_change(ctx.tx, ctx.installation_id, waiting, ctx.actor.name)
        await _show_on_card(ctx, row)
    read = await receipts.read_by(ctx.tx, ctx.installation_id, message_id, MOST_RECEIPTS)
    return Deleted(message_id=message_id, read_by=read)
