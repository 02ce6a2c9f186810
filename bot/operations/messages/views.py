"""What answers show of messages."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from bot.kernel.operation import Answer, Context
from bot.operations.messages import access
from bot.tasks import lifecycle
from bot.tasks.priorities import PRIORITIES, Priority
from bot.times import stamp
from store.messages.mailbox import Letter
from store.messages.receipts import Reader
from store.tables.messages import MessageRow

# Receipts shown of one message.
MOST_RECEIPTS = 20


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
        task=lifecycle.name(task) if task else None,
        priority=PRIORITIES[row["priority"]],
        body=row["body"],
        sent_at=stamp(row["sent_at"]),
        expires_at=row["expires_at"] and stamp(row["expires_at"]),
        deleted=row["deleted_at"] is not None,
        attempts=0,
        receipts=list(receipts),
    )
