"""What a running session should get at once: the agent's notices, and messages of high priority.

A push is a copy. It marks nothing as seen, taken or read, and it renews no lease, because nobody
knows whether the session reads it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from bot.identity.actors import Actor
from bot.kernel import event_stream, pagination
from bot.kernel.operation import Context, Notice, Shared
from bot.messages import notice_parts, notices
from bot.messages.notice_parts import LATELY, Asker
from bot.operations.github import text_trust, texts
from bot.operations.github.texts import AGENT, Reading, Trust
from bot.operations.messages import access
from bot.tasks import lookup
from store.engine.transaction import Tx
from store.messages import mailbox, stored_notices
from store.mirror import threads
from store.mirror.text_edits import TextKey
from store.tables.messages import MessageRow, NoticeRow

# Pushes of one page, and the characters of a text in one.
MOST, LONGEST = 10, 4000
# Notices of these sources are pushed one by one, from their rows.
BY_ROW = frozenset({"recorded", "message"})


class Said(Trust):
    """A text that somebody wrote."""

    author: str = Field(description="a GitHub login, an agent's id, or a person as @login")
    association: str
    text: str
    shortened: bool = False


class Push(BaseModel):
    """`key`: the same for the same thing. `cursor`: where to continue after it."""

    key: str
    kind: str = Field(description="the kind of the notice, or message")
    subject: str
    task: str | None = None
    message: str = Field(description="what happened, in Hubbub's words")
    said: Said | None = None
    cursor: str = ""


@dataclass(frozen=True)
class Place:
    """The last notice and the last message that were pushed."""

    notice: int = 0
    message: int = 0

    def text(self, installation_id: int) -> str:
        return pagination.encode(f"{installation_id} {self.notice} {self.message}")


@dataclass(frozen=True)
class Page:
    """`more`: there are others after these."""

    pushes: Sequence[Push]
    place: Place
    more: bool = False


def parse_place(installation_id: int, cursor: str | None) -> Place:
    """The place; the beginning, if the cursor is of another installation. Raise Refused."""
    if not cursor:
        return Place()
    words = pagination.decode(cursor).split(" ")
    if len(words) != 3 or not all(each.isdecimal() and len(each) < 19 for each in words):
        raise pagination.wrong_cursor()
    where, notice, message = map(int, words)
    return Place(notice, message) if where == installation_id else Place()


async def read_page(tx: Tx, actor: Actor, shared: Shared, place: Place) -> Page:
    """What is unseen or unread now, after the place. People get nothing."""
    if actor.is_person:
        return Page((), place)
    ctx = await _context(tx, actor, shared)
    asker = Asker(tx, actor, ctx.now)
    here = (tx, ctx.installation_id, actor.name)
    since = ctx.now - LATELY
    rows = await stored_notices.unseen_after(*here, since, place.notice, MOST)
    letters = await mailbox.urgent_after(*here, place.message, MOST)
    found: list[Push] = []
    for row in rows:
        place = Place(row["seq"], place.message)
        if push := await _notice(ctx, asker, row):
            found.append(push.model_copy(update={"cursor": place.text(actor.installation_id)}))
    for letter in letters:
        place = Place(place.notice, letter["seq"])
        push = await _message(ctx, letter)
        found.append(push.model_copy(update={"cursor": place.text(actor.installation_id)}))
    due = [each for each in ctx.state["due"] if each not in BY_ROW]
    found += [_of_state(each) for each in await notices.of_kinds(asker, due)]
    return Page(found, place, more=MOST in (len(rows), len(letters)))


async def _context(tx: Tx, actor: Actor, shared: Shared) -> Context:
    now = await tx.now()
    state = await notices.call_state_of(tx, actor, now)
    return Context(
        tx,
        actor,
        now,
        shared,
        state,
        operation="get_messages",
        verbs=frozenset(),
        later=[],
        handovers=[],
        waits=False,
        written_at=None,
        in_comment=False,
        commented_on=None,
    )


async def _notice(ctx: Context, asker: Asker, row: NoticeRow) -> Push | None:
    """None if the agent may not see the repository now."""
    name, said = row["subject"], None
    if row["repository_id"] is not None:
        name, task = await notice_parts.named_task(asker, row["subject"])
        if task is None or not event_stream.reaches(ctx.actor, task["repository_id"]):
            return None
        said = await _text(ctx, row)
    return Push(
        key=f"notice {row['seq']}",
        kind=row["kind"],
        subject=row["subject"],
        task=name if row["repository_id"] is not None else None,
        message=row["message"],
        said=said,
    )


async def _text(ctx: Context, notice: NoticeRow) -> Said | None:
    """The text as the repository's policy lets agents have it. None: there is none any more."""
    kind, text_id = notice["text_kind"], notice["text_id"]
    if kind is None or text_id is None:
        return None
    row = await threads.text_row(ctx.tx, kind, ctx.installation_id, text_id)
    if row is None or not row["body"]:
        return None
    key = TextKey(row["repository_id"], row["number"], kind, text_id)
    judge = await text_trust.judge_of(ctx, [texts.author_of(row, key)], [key])
    (read,) = await texts.readings(ctx, [row], [key], judge)
    return _shown_text(read)


def _shown_text(read: Reading) -> Said:
    return Said(
        **read.trust,
        author=read.author,
        association=read.association,
        text=read.text[:LONGEST],
        shortened=bool(read.left_out) or len(read.text) > LONGEST,
    )


async def _message(ctx: Context, letter: MessageRow) -> Push:
    task = await access.task_in_reach(ctx, letter["task_id"]) if letter["task_id"] else None
    said = Said(
        author=letter["sender"],
        association="" if letter["sender"].startswith("@") else AGENT,
        text=letter["body"][:LONGEST],
        shortened=len(letter["body"]) > LONGEST,
    )
    return Push(
        key=f"message {letter['id']}",
        kind="message",
        subject=letter["id"],
        task=lookup.name(task) if task else None,
        message=f"{letter['sender']} sent you a message of high priority. After you have handled "
        f"it, call mark_message_read with {letter['id']}.",
        said=said,
    )


def _of_state(notice: Notice) -> Push:
    """A notice that follows from the state of the database. It keeps no place."""
    return Push(
        key=f"{notice.kind} {notice.key}",
        kind=notice.kind,
        subject=notice.subject,
        task=notice.subject if "#" in notice.subject else None,
        message=notice.message,
    )
