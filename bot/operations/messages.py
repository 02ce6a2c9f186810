"""Messages between agents."""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, Field

from bot.agents import presence
from bot.errors import Refused
from bot.identity.actors import EVERYBODY, HOLDER, ROLES, SLUG, Actor
from bot.kernel.operation import Answer, Context, Slash, TaskRef, operation
from bot.kernel.pagination import Cursor, Limit, decode, encode
from bot.kernel.patterns import Shape
from bot.kernel.waitable import EventFilter, Look, Waitable
from bot.messages import delivery
from bot.operations.tasks.access import visible_task
from bot.tasks import lifecycle, publishing
from bot.tasks.priorities import PRIORITIES, Priority
from bot.times import SECOND, stamp
from store.engine import ids
from store.engine.transaction import Row
from store.messages import dead_letters, mailbox, messages, receipts
from store.messages.mailbox import Letter
from store.tables.messages import MessageRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

M = TypeVar("M", bound=MessageRow)
Recipient: TypeAlias = Annotated[
    str,
    Field(
        max_length=140,
        description="an agent's id, role:developer, capability:python, everybody, or holder",
    ),
    Shape(
        rf"^({EVERYBODY}|role:({'|'.join(ROLES)})|capability:\S+|{SLUG})$",
        f"must be one of these: an agent's id, role: and one of {', '.join(ROLES)}, capability: "
        "and a slug, everybody, or holder; people read comments",
    ),
]
MessageId: TypeAlias = Annotated[str, Field(max_length=40, description="the message's id")]
MessageIds: TypeAlias = Annotated[
    list[Annotated[str, Field(max_length=40)]], Field(min_length=1, max_length=100)
]
WEEK_S = 7 * 24 * 3600
Which: TypeAlias = Literal["unread", "peek", "dead", "sent"]
# Characters of text in one answer.
ROOM = 100_000
# Receipts shown of one message.
MOST_RECEIPTS = 20
# How long a card keeps from its last edit to the one for a message.
CARD_EVERY = 60 * SECOND
# Greater than any message's id.
NEWEST = "m~"


class Receipt(BaseModel):
    agent: str
    state: Literal["pending", "delivered", "read", "dead", "deleted"]
    why: str | None = Field(description="of a dead one: expired, undelivered")
    read_at: str | None


class Message(BaseModel):
    id: str
    thread_id: str
    sender: str
    to: str
    task: str | None
    priority: Priority
    body: str
    sent_at: str
    expires_at: str | None
    deleted: bool = Field(description="its sender took it back")
    attempts: int = Field(0, description="how often you were handed it")
    receipts: list[Receipt] = Field([], description="in the lists sent and dead: at most 20")


class Messages(Answer):
    messages: list[Message]
    unread: int = Field(description="those handed out here included")
    next_cursor: str | None = None


class Listed(Messages):
    """Of these nobody waits for more."""


class Sent(Answer):
    message_id: str
    thread_id: str
    recipients: list[str] = Field(description="at most 50 of them")
    count: int = Field(description="how many they are")
    full: list[str] = Field(description="who was left out because of too many unread messages")


class Marked(Answer):
    marked: list[str]
    unread: int


class Deleted(Answer):
    message_id: str
    read_by: list[str] = Field(description="for whom it was too late; at most 20")


ASK = Slash(
    "ask",
    "send a message of high priority to the agent that holds this task or has it reserved",
    ("body",),
    shown="[text]",
    given={"to": HOLDER, "priority": "high"},
)


@operation(role="tester", slashes=(ASK,))
async def send_message(
    ctx: Context,
    to: Recipient,
    body: Annotated[str, Field(min_length=1, max_length=20_000, description="the text")],
    task: TaskRef | None = None,
    reply_to: Annotated[MessageId | None, Field(description="continues that thread")] = None,
    priority: Annotated[Priority, Field(description="how urgent it is")] = "medium",
    ttl_s: Annotated[
        int, Field(ge=60, le=30 * 24 * 3600, description="dead if unread by then")
    ] = WEEK_S,
    visibility: Annotated[
        Literal["agents", "issue"],
        Field(description="issue: people also see it on the task's card"),
    ] = "agents",
) -> Sent:
    """Send a message to an agent, a role, a capability or everybody."""
    await delivery.check_may_send(ctx.tx, ctx.actor)
    about = await visible_task(ctx, task) if task else None
    if visibility == "issue":
        await _check_may_show(ctx, about)
    if to == HOLDER:
        to = _holder(about)
    chosen = await delivery.readers(ctx.tx, ctx.actor, to)
    free, full = await delivery.split_by_room(ctx.tx, ctx.installation_id, chosen)
    message_id = ids.new("m", ctx.now)
    row: MessageRow = {
        "installation_id": ctx.installation_id,
        "id": message_id,
        "seq": ctx.now,
        "thread_id": await _thread(ctx, reply_to) if reply_to else message_id,
        "sender": ctx.actor.name,
        "recipient": to,
        "task_id": about and about["id"],
        "priority": PRIORITIES.index(priority),
        "body": body,
        "sent_at": ctx.now,
        "expires_at": ctx.now + ttl_s * SECOND,
        "on_card": int(visibility == "issue"),
        "deleted_at": None,
    }
    await messages.send(ctx.tx, ctx.installation_id, row, free)
    await delivery.notify(ctx.tx, row, free, about["repository_id"] if about else None)
    await _show_on_card(ctx, row)
    return _sent_answer(row, free, full)


async def _check_may_show(ctx: Context, task: FullTask | None) -> None:
    """On the task's card people read it, as if it were written there. Raise Refused."""
    if task is None:
        raise Refused(
            "invalid_arguments",
            "`visibility` issue needs `task`, on whose card the message appears.",
        )
    await presence.check_may_work(ctx.tx, ctx.actor)


def _holder(task: FullTask | None) -> str:
    """The agent that holds the task, or has it reserved. Raise Refused."""
    if task is None:
        raise Refused(
            "invalid_arguments", "`to` holder needs `task`, whose holder gets the message."
        )
    who = task["holder"] or task["assigned_to"]
    if who is None:
        raise Refused(
            "unknown_agent",
            f"Nobody holds {lifecycle.name(task)}. Send the message to an agent or a role.",
        )
    if who.startswith("@"):
        raise Refused(
            "unknown_agent",
            f"A person, {who}, holds {lifecycle.name(task)}. Comment on its issue instead.",
        )
    return str(who)


async def _thread(ctx: Context, reply_to: str) -> str:
    """The thread of a message, for those who took part in it. Raise Refused."""
    before = await messages.get(ctx.tx, ctx.installation_id, reply_to)
    if before is None or not await _took_part(ctx, before["thread_id"]):
        raise _unknown_error(f"`reply_to`: you sent or got no message {reply_to!r}.")
    return str(before["thread_id"])


async def _took_part(ctx: Context, thread_id: str) -> bool:
    return await messages.is_participant(ctx.tx, ctx.installation_id, thread_id, ctx.actor.name)


async def _show_on_card(ctx: Context, message: MessageRow) -> None:
    if message["on_card"] and message["task_id"]:
        await publishing.show(ctx.tx, ctx.installation_id, message["task_id"], every=CARD_EVERY)


def _sent_answer(row: MessageRow, readers: Sequence[str], full: Sequence[str] = ()) -> Sent:
    return Sent(
        message_id=row["id"],
        thread_id=row["thread_id"],
        recipients=list(readers[: delivery.MOST_NAMED]),
        count=len(readers),
        full=list(full[: delivery.MOST_NAMED]),
    )


def _unknown_error(said: str) -> Refused:
    return Refused("unknown_message", said)


@operation(role="tester", idempotent=True)
async def resend_message(ctx: Context, message_id: MessageId) -> Sent:
    """Resend a dead letter that you sent or received. It is valid for a week."""
    row = await messages.get(ctx.tx, ctx.installation_id, message_id, lock=True)
    if row is None or row["deleted_at"] is not None:
        raise _unknown_error(f"There is no message {message_id!r} to send again.")
    dead = await dead_letters.of(ctx.tx, ctx.installation_id, message_id)
    if ctx.actor.name != row["sender"] and not ctx.actor.may("tech-lead"):
        if not await mailbox.lock_receipts(
            ctx.tx, ctx.installation_id, ctx.actor.name, [message_id]
        ):
            raise _unknown_error(f"You sent or got no message {message_id!r}.")
        dead = [each for each in dead if each == ctx.actor.name]
    if not dead:
        return _sent_answer(row, [])
    free, full = await delivery.split_by_room(ctx.tx, ctx.installation_id, dead)
    until = ctx.now + WEEK_S * SECOND
    await dead_letters.revive(ctx.tx, ctx.installation_id, message_id, free, until)
    task = await _task(ctx, row["task_id"]) if row["task_id"] else None
    await delivery.notify(ctx.tx, row, free, task["repository_id"] if task else None)
    return _sent_answer(row, free, full)


class _NextMessages(Waitable[Messages]):
    def is_final(self, answer: Messages) -> bool:
        return bool(answer.messages) or isinstance(answer, Listed)

    def wanted_events(self, _answer: Messages, actor: Actor) -> EventFilter:
        def sent_to_me(event: Row) -> bool:
            return event["kind"] == "message.sent" and event["audience"] in (None, actor.name)

        return sent_to_me

    async def look_again(self, look: Look, _answer: Messages) -> Messages | None:
        """Handing out messages writes, so callers that wait check first without a write."""
        me = look.actor
        if not await look.check(lambda tx: mailbox.waiting(tx, me.installation_id, me.name)):
            return None
        found: Messages = await look.run()
        return found


@operation(
    role="observer",
    quiet=True,
    presence="any",
    waitable=_NextMessages(),
)
async def get_messages(
    ctx: Context,
    limit: Limit = 20,
    state: Annotated[
        Which, Field(description="peek: show unread without taking them; dead: expired unread")
    ] = "unread",
    thread_id: Annotated[MessageId | None, Field(description="that thread instead")] = None,
    cursor: Cursor = None,
) -> Messages:
    """Return your unread messages, most urgent first. Each returns until mark_message_read."""
    me = (ctx.tx, ctx.installation_id, ctx.actor.name)
    if thread_id is None and state == "unread":
        rows = _first_that_fit(await mailbox.due(*me, limit))
        await mailbox.hand_out(*me, [row["id"] for row in rows])
        shown = [await _letter_view(ctx, {**row, "attempts": row["attempts"] + 1}) for row in rows]
        return Messages(messages=shown, unread=await mailbox.unread(*me))
    if thread_id is None and state == "peek":
        rows = _first_that_fit(await mailbox.first_unread(*me, limit))
        shown = [await _letter_view(ctx, row) for row in rows]
        return Listed(messages=shown, unread=await mailbox.unread(*me))
    return await _list_page(ctx, state, thread_id, decode(cursor) or NEWEST, limit)


async def _list_page(
    ctx: Context, state: Which, thread_id: str | None, before: str, limit: int
) -> Listed:
    """A page of a list, the newest first; of a thread, in the order in which it was written."""
    me = (ctx.tx, ctx.installation_id, ctx.actor.name)
    end: str | None = None
    if thread_id is not None:
        if not await _took_part(ctx, thread_id):
            raise _unknown_error(f"You took part in no thread {thread_id!r}.")
        rows = await messages.thread(ctx.tx, ctx.installation_id, thread_id, before, limit + 1)
    elif state == "sent":
        rows = await messages.sent_by(*me, before, limit + 1)
    else:
        rows, end = await _dead(ctx, before, limit + 1)
    page = _first_that_fit(rows[:limit])
    last = page[-1]["id"] if len(page) < len(rows) else end
    receipts = {} if thread_id is not None else await _receipts(ctx, page)
    shown = [await _message_view(ctx, row, receipts.get(row["id"], [])) for row in page]
    return Listed(
        messages=shown if thread_id is None else shown[::-1],
        unread=await mailbox.unread(*me),
        next_cursor=encode(last) if last else None,
    )


async def _dead(ctx: Context, before: str, limit: int) -> tuple[list[MessageRow], str | None]:
    """Dead letters from or to the actor, and before which id there may be more.

    A tech-lead sees all.
    """
    here = (ctx.tx, ctx.installation_id)
    if ctx.actor.may("tech-lead"):
        return await dead_letters.page(*here, before, limit), None
    me = ctx.actor.name
    rows, end = await dead_letters.sent_by(*here, me, before, limit)
    rows += await dead_letters.addressed_to(*here, me, before, limit)
    newest = {row["id"]: row for row in rows if row["id"] >= (end or "")}
    return [newest[each] for each in sorted(newest, reverse=True)[:limit]], end


async def _receipts(ctx: Context, rows: Sequence[MessageRow]) -> dict[str, list[Receipt]]:
    """Of others' messages an agent sees its own receipt alone."""
    found: dict[str, list[Receipt]] = {}
    seen = {row["id"] for row in rows if row["sender"] == ctx.actor.name}
    all_of_them = ctx.actor.may("tech-lead")
    here = (ctx.tx, ctx.installation_id, [row["id"] for row in rows])
    mine = (
        await mailbox.lock_receipts(ctx.tx, ctx.installation_id, ctx.actor.name, here[2])
        if rows
        else []
    )
    for each in await receipts.of(*here, MOST_RECEIPTS) if rows else []:
        if all_of_them or each["message_id"] in seen:
            found.setdefault(each["message_id"], []).append(_receipt_view(each))
    for own in mine:
        found.setdefault(own["message_id"], [_receipt_view(own)])
    return found


def _receipt_view(row: Row) -> Receipt:
    return Receipt(
        agent=row["agent_id"],
        state=row["state"],
        why=row["dead_why"],
        read_at=row["read_at"] and stamp(row["read_at"]),
    )


def _first_that_fit(rows: Sequence[M]) -> list[M]:
    """As many from the start as an answer has room for; one at least."""
    taken: list[M] = []
    room = ROOM
    for row in rows:
        room -= len(row["body"])
        if room < 0 and taken:
            break
        taken.append(row)
    return taken


@operation(role="observer", idempotent=True, quiet=True, presence="any")
async def mark_message_read(
    ctx: Context,
    message_id: Annotated[MessageId | MessageIds, Field(description="one id or several")],
) -> Marked:
    """Mark messages as read. They are not delivered again."""
    wanted = [message_id] if isinstance(message_id, str) else list(dict.fromkeys(message_id))
    me = (ctx.tx, ctx.installation_id, ctx.actor.name)
    receipts = {row["message_id"]: row for row in await mailbox.lock_receipts(*me, wanted)}
    unknown = [each for each in wanted if each not in receipts]
    if unknown:
        raise Refused(
            "unknown_message",
            f"You got no message {unknown[0]!r}. Nothing was marked.",
            unknown=unknown,
        )
    new = [each for each in wanted if receipts[each]["state"] not in ("read", "deleted")]
    if new:
        await mailbox.mark_read(*me, new)
        await delivery.record_mailbox_change(
            ctx.tx, ctx.installation_id, [ctx.actor.name], ctx.actor.name
        )
    for row in await messages.many(ctx.tx, ctx.installation_id, new) if new else []:
        await delivery.notify_sender(ctx.tx, "read", row, ctx.actor.name)
    return Marked(marked=wanted, unread=await mailbox.unread(*me))


@operation(role="tester", idempotent=True, destructive=True)
async def delete_message(ctx: Context, message_id: MessageId) -> Deleted:
    """Withdraw your message from recipients who have not read it, or delete one sent to you."""
    row = await messages.get(ctx.tx, ctx.installation_id, message_id, lock=True)
    if row is None or row["sender"] != ctx.actor.name:
        if not await mailbox.drop(ctx.tx, ctx.installation_id, ctx.actor.name, message_id):
            raise _unknown_error(f"You sent or got no message {message_id!r}.")
        await delivery.record_mailbox_change(
            ctx.tx, ctx.installation_id, [ctx.actor.name], ctx.actor.name
        )
        return Deleted(message_id=message_id, read_by=[])
    if row["deleted_at"] is None:
        waiting = await receipts.waiting(ctx.tx, ctx.installation_id, message_id)
        await messages.delete(ctx.tx, ctx.installation_id, message_id)
        await delivery.record_mailbox_change(ctx.tx, ctx.installation_id, waiting, ctx.actor.name)
        await _show_on_card(ctx, row)
    read = await receipts.read_by(ctx.tx, ctx.installation_id, message_id, MOST_RECEIPTS)
    return Deleted(message_id=message_id, read_by=read)


async def _task(ctx: Context, task_id: str) -> FullTask | None:
    """A task if it is there for the actor's eyes."""
    row = await tasks.visible(ctx.tx, ctx.installation_id, task_id)
    reach = ctx.actor.repositories
    return row if row and (reach is None or row["repository_id"] in reach) else None


async def _letter_view(ctx: Context, row: Letter) -> Message:
    shown = await _message_view(ctx, row)
    return shown.model_copy(update={"attempts": row["attempts"]})


async def _message_view(ctx: Context, row: MessageRow, receipts: Sequence[Receipt] = ()) -> Message:
    task = await _task(ctx, row["task_id"]) if row["task_id"] else None
    return Message(
        id=row["id"],
        thread_id=row["thread_id"],
        sender=row["sender"],
        to=row["recipient"],
        task=lifecycle.name(task) if task else None,
        priority=PRIORITIES[row["priority"]],
        body=row["body"],
        sent_at=stamp(row["sent_at"]),
        expires_at=row["expires_at"] and stamp(row["expires_at"]),
        deleted=row["deleted_at"] is not None,
        attempts=0,
        receipts=list(receipts),
    )
