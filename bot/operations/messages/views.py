"""What answers show of messages."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Literal, Self

from pydantic import BaseModel, Field

from bot.kernel.operation import Answer, Context, Notice
from bot.operations.files.views import Files, files_on
from bot.operations.github.writing import Queued
from bot.operations.messages import access
from bot.tasks import lookup
from bot.tasks.priorities import PRIORITIES, Priority
from bot.times import stamp
from store.messages.mailbox import Letter
from store.messages.receipts import Reader
from store.tables.messages import MessageRow

# The most receipts that an answer shows of one message.
MOST_RECEIPTS = 20
# How an agent answers a person's question.
ANSWER = "send_message with `to` {0} and `reply_to` {1} posts your answer where {0} asked"


class Receipt(BaseModel):
    agent: str
    state: Literal["pending", "delivered", "read", "dead", "deleted"]
    why: str | None = Field(None, description="why the message is dead: expired or undelivered")
    read_at: str | None = None


class Message(BaseModel):
    id: str
    thread_id: str = ""
    sender: str
    to: str
    task: str | None = None
    priority: Priority = "medium"
    body: str
    sent_at: str
    expires_at: str | None = None
    deleted: bool = Field(False, description="whether the sender withdrew the message")
    attempts: int = Field(0, description="how often the message was delivered to you")
    receipts: list[Receipt] = Field([], description="at most 20; in a thread, of your own messages")
    hint: str | None = Field(
        None, description="how to answer a question", exclude_if=lambda hint: hint is None
    )
    attachments: Files = ()
    consultation: str | None = Field(
        None,
        description="what came of a question to several agents",
        exclude_if=lambda consultation: consultation is None,
    )

    def lean(self) -> Self:
        """Without what is so of most messages: the first of its thread, delivered once."""
        usual = {"thread_id": "" if self.thread_id == self.id else self.thread_id}
        attempts = 0 if self.attempts == 1 else self.attempts
        return self.model_copy(update={**usual, "attempts": attempts})


class Messages(Answer):
    of_mirror = False
    omitted = MappingProxyType({"messages": {"__all__": {"expires_at"}}})

    messages: list[Message]
    unread: int = Field(description="how many messages you have not read, these included")
    hidden: int = Field(0, description="how many of them came before and will come again")
    hidden_until: str | None = Field(None, description="when the first of these comes again")
    next_cursor: str | None = None

    def lean(self) -> Self:
        return self.model_copy(update={"messages": [each.lean() for each in self.messages]})


class PastNotice(Notice):
    at: str
    seen: bool = Field(description="whether an answer brought it to you")


class Listed(Messages):
    """A list of messages. A caller never waits for more of them."""

    past_notices: list[PastNotice] = Field([], description="with state notices: the newest first")


class Sent(Answer):
    of_mirror = False

    message_id: str
    thread_id: str = ""
    recipients: list[str] = Field(
        [], description="the agents that get the message, at most 50 of them"
    )
    count: int = Field(description="how many agents get the message")
    full: list[str] = Field(
        [], description="agents that do not get it, because they have too many unread messages"
    )
    writes: list[Queued] = Field(
        [],
        description="the comment that answers a person",
        exclude_if=lambda writes: not writes,
    )
    cleaned: list[str] = Field(
        [],
        description="secrets that were masked in the text",
        exclude_if=lambda cleaned: not cleaned,
    )
    hint: str | None = Field(
        None,
        description="what came of an answer to a question",
        exclude_if=lambda hint: hint is None,
    )

    def lean(self) -> Self:
        """For one recipient, whom the sender named, without the recipients."""
        first = "" if self.thread_id == self.message_id else self.thread_id
        who = [] if self.count == 1 else self.recipients
        return self.model_copy(update={"thread_id": first, "recipients": who})


class Marked(Answer):
    of_mirror = False

    marked: list[str]
    unread: int


class Deleted(Answer):
    of_mirror = False

    message_id: str
    read_by: list[str] = Field([], description="agents that had read it before, at most 20 of them")


def receipt_view(row: Reader) -> Receipt:
    return Receipt(
        agent=row["agent_id"],
        state=row["state"],
        why=row["dead_why"],
        read_at=row["read_at"] and stamp(row["read_at"]),
    )


async def letter_view(ctx: Context, row: Letter) -> Message:
    shown = await message_view(ctx, row)
    return shown.model_copy(update={"attempts": row["attempts"]})


async def message_view(ctx: Context, row: MessageRow, receipts: Sequence[Receipt] = ()) -> Message:
    task = await access.task_in_reach(ctx, row["task_id"]) if row["task_id"] else None
    return Message(
        id=row["id"],
        thread_id=row["thread_id"],
        sender=row["sender"],
        to=row["recipient"],
        task=lookup.name(task) if task else None,
        priority=PRIORITIES[row["priority"]],
        body=row["body"],
        sent_at=stamp(row["sent_at"]),
        expires_at=row["expires_at"] and stamp(row["expires_at"]),
        deleted=row["deleted_at"] is not None,
        attempts=0,
        receipts=list(receipts),
        hint=ANSWER.format(row["sender"], row["id"]) if row["asked_in"] else None,
    )


async def with_files(ctx: Context, shown: Sequence[Message]) -> list[Message]:
    """The messages, with the files that are attached to them."""
    found = await files_on(ctx, "message", [each.id for each in shown])
    return [
        each.model_copy(update={"attachments": found[each.id]}) if found[each.id] else each
        for each in shown
    ]
