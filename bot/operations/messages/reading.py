"""Listing messages, waiting for the next ones, and marking them as read."""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import Field

from bot.errors import Refused
from bot.identity import permissions
from bot.identity.actors import Actor
from bot.kernel.event_stream import NamedEvent
from bot.kernel.operation import Context, Handover, operation
from bot.kernel.pagination import Cursor, Limit, decode, encode
from bot.kernel.waitable import EventFilter, Look, Waitable
from bot.messages import delivery, notices
from bot.operations.messages import access, consulted
from bot.operations.messages.arguments import MessageId, MessageIds
from bot.operations.messages.views import (
    MOST_RECEIPTS,
    Listed,
    Marked,
    Messages,
    PastNotice,
    Receipt,
    letter_view,
    message_view,
    receipt_view,
    with_files,
)
from bot.times import stamp
from store.messages import dead_letters, mailbox, messages, receipts, stored_notices
from store.tables.messages import MessageRow

M = TypeVar("M", bound=MessageRow)


Which: TypeAlias = Literal["unread", "peek", "dead", "sent", "notices"]


# The most characters of text in one answer.
ROOM = 100_000


# Greater than any message's id.
NEWEST = "m~"


class _NextMessages(Waitable[Messages]):
    def is_final(self, answer: Messages) -> bool:
        return bool(answer.messages) or isinstance(answer, Listed)

    def has_effect(self, answer: Messages) -> bool:
        return bool(answer.messages) and not isinstance(answer, Listed)

    def wanted_events(self, _answer: Messages, actor: Actor) -> EventFilter:
        def is_to_me(event: NamedEvent) -> bool:
            return event["kind"] == "message.sent" and event["audience"] in (None, actor.name)

        return is_to_me

    async def look_again(self, look: Look, _answer: Messages) -> Messages | None:
        """Delivering writes to the database, so a waiting caller first checks with a read."""
        me = look.actor
        if not await look.check(lambda tx: mailbox.has_waiting(tx, me.installation_id, me.name)):
            return None
        found: Messages = await look.run()
        return found


@operation(
    quiet=True,
    presence="any",
    waitable=_NextMessages(),
)
async def get_messages(
    ctx: Context,
    limit: Limit = 20,
    state: Annotated[
        Which,
        Field(description="peek: not taken; dead: expired unread; notices: peek and old notices"),
    ] = "unread",
    thread_id: Annotated[MessageId | None, Field(description="list this thread instead")] = None,
    cursor: Cursor = None,
) -> Messages:
    """Return unread messages, most urgent first; each again in a minute until mark_message_read."""
    me = (ctx.tx, ctx.installation_id, ctx.actor.name)
    if thread_id is None and state == "unread":
        return await _hand_out(ctx, limit)
    if thread_id is None and state in ("peek", "notices"):
        rows = _first_that_fit(await mailbox.first_unread(*me, limit))
        shown = [await letter_view(ctx, row) for row in rows]
        shown = await with_files(ctx, await consulted.with_hints(ctx, rows, shown))
        past = await _past_notices(ctx, limit) if state == "notices" else []
        return Listed(messages=shown, unread=await mailbox.unread(*me), past_notices=past)
    return await _list_page(ctx, state, thread_id, decode(cursor) or NEWEST, limit)


async def _past_notices(ctx: Context, limit: int) -> list[PastNotice]:
    found = await notices.past(ctx.tx, ctx.actor, min(limit, stored_notices.KEPT))
    return [
        PastNotice(
            kind=row["kind"],
            subject=row["subject"],
            message=row["message"],
            at=stamp(row["created_at"]),
            seen=row["seen_at"] is not None,
        )
        for row in found
    ]


async def _hand_out(ctx: Context, limit: int) -> Messages:
    """The next unread messages. The agent's other calls do not get them within a minute."""
    me = (ctx.tx, ctx.installation_id, ctx.actor.name)
    rows = _first_that_fit(await mailbox.lock_due(*me, limit))
    ids = [row["id"] for row in rows]
    until = await mailbox.hand_out(*me, ids)
    if rows:
        whose = (ctx.installation_id, ctx.actor.name)
        handover = Handover(
            confirm=lambda tx: mailbox.mark_delivered(tx, *whose, ids),
            take_back=lambda tx: mailbox.take_back(tx, *whose, rows, until),
        )
        ctx.handovers.append(handover)
    shown = [await letter_view(ctx, {**row, "attempts": row["attempts"] + 1}) for row in rows]
    shown = await with_files(ctx, await consulted.with_hints(ctx, rows, shown))
    found = await mailbox.counts(*me)
    # Those of this answer are hidden too, the last of all.
    hidden = found["hidden"] - len(rows)
    return Messages(
        messages=shown,
        unread=found["unread"],
        hidden=hidden,
        hidden_until=stamp(found["visible_at"]) if hidden and found["visible_at"] else None,
    )


async def _list_page(
    ctx: Context, state: Which, thread_id: str | None, before: str, limit: int
) -> Listed:
    """A page of a list, newest first, or of a thread, oldest first."""
    me = (ctx.tx, ctx.installation_id, ctx.actor.name)
    end: str | None = None
    if thread_id is not None:
        if not await access.is_participant(ctx, thread_id):
            raise access.unknown_error(f"You took part in no thread {thread_id!r}.")
        rows = await messages.thread(ctx.tx, ctx.installation_id, thread_id, before, limit + 1)
    elif state == "sent":
        rows = await messages.sent_by(*me, before, limit + 1)
    else:
        rows, end = await _dead(ctx, before, limit + 1)
    page = _first_that_fit(rows[:limit])
    last = page[-1]["id"] if len(page) < len(rows) else end
    # In a thread, only those of the actor's own messages say something new.
    own = [row for row in page if row["sender"] == ctx.actor.name]
    receipts = await _receipts(ctx, page if thread_id is None else own)
    viewed = [await message_view(ctx, row, receipts.get(row["id"], [])) for row in page]
    shown = await with_files(ctx, viewed)
    return Listed(
        messages=shown if thread_id is None else shown[::-1],
        unread=await mailbox.unread(*me),
        next_cursor=encode(last) if last else None,
    )


async def _dead(ctx: Context, before: str, limit: int) -> tuple[list[MessageRow], str | None]:
    """Dead letters from or to the actor, and the id before which there may be more.

    A tech-lead of the installation sees all.
    """
    here = (ctx.tx, ctx.installation_id)
    if _may_see_all(ctx):
        return await dead_letters.page(*here, before, limit), None
    me = ctx.actor.name
    rows, end = await dead_letters.sent_by(*here, me, before, limit)
    rows += await dead_letters.addressed_to(*here, me, before, limit)
    newest = {row["id"]: row for row in rows if row["id"] >= (end or "")}
    return [newest[each] for each in sorted(newest, reverse=True)[:limit]], end


def _may_see_all(ctx: Context) -> bool:
    return permissions.allows_everywhere(ctx.actor, "get_messages.dead")


async def _receipts(ctx: Context, rows: Sequence[MessageRow]) -> dict[str, list[Receipt]]:
    """The receipts that the actor may see. Of a message of another agent, that is only its own."""
    found: dict[str, list[Receipt]] = {}
    seen = {row["id"] for row in rows if row["sender"] == ctx.actor.name}
    all_of_them = _may_see_all(ctx)
    here = (ctx.tx, ctx.installation_id, [row["id"] for row in rows])
    mine = (
        await mailbox.lock_receipts(ctx.tx, ctx.installation_id, ctx.actor.name, here[2])
        if rows
        else []
    )
    for each in await receipts.of(*here, MOST_RECEIPTS) if rows else []:
        if all_of_them or each["message_id"] in seen:
            found.setdefault(each["message_id"], []).append(receipt_view(each))
    for own in mine:
        found.setdefault(own["message_id"], [receipt_view(own)])
    return found


def _first_that_fit(rows: Sequence[M]) -> list[M]:
    """The first rows, as many as fit into an answer, at least one."""
    taken: list[M] = []
    room = ROOM
    for row in rows:
        room -= len(row["body"])
        if room < 0 and taken:
            break
        taken.append(row)
    return taken


@operation(idempotent=True, quiet=True, presence="any")
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
    for row in await messages.several(ctx.tx, ctx.installation_id, new) if new else []:
        await delivery.notify_sender(ctx.tx, "read", row, ctx.actor.name)
    return Marked(marked=wanted, unread=await mailbox.unread(*me))
