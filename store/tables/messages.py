"""Messages between agents, and notices to them."""

from typing import Annotated, Literal, TypeAlias, TypedDict

from store.tables.columns import KEY, SMALL, Default, Flag, Index, Table, Text

# Which kind of text on GitHub a notice may be about.
TextKind: TypeAlias = Literal["comment", "review"]
ReceiptState: TypeAlias = Literal["pending", "delivered", "read", "dead", "deleted"]


class MessageRow(TypedDict):
    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    seq: int
    thread_id: Annotated[str, Text(40)]
    sender: Annotated[str, Text(120)]
    recipient: Annotated[str, Text(140)]
    task_id: Annotated[str | None, Text(40)]
    priority: Annotated[int, SMALL]
    body: str
    sent_at: int
    expires_at: int | None
    # Shown on the task's card too.
    on_card: Annotated[Flag, Default("0")]
    deleted_at: int | None
    # Of a person's question: the text with its command, where the answer is posted. See
    # `bot.messages.questions`.
    asked_in: Annotated[str | None, Text(120)]


class ReceiptRow(TypedDict):
    installation_id: Annotated[int, KEY]
    agent_id: Annotated[str, KEY, Text(64)]
    message_id: Annotated[str, KEY, Text(40)]
    state: Annotated[ReceiptState, Text(20)]
    priority: Annotated[int, SMALL]
    seq: int
    visible_at: Annotated[int, Default("0")]
    read_at: int | None
    # How often it was delivered.
    attempts: Annotated[int, SMALL, Default("0")]
    expires_at: int | None
    # Why it is a dead letter: expired, undelivered.
    dead_why: Annotated[str | None, Text(40)]
    ended_at: int | None
    # When a notice told the reader about it.
    told_at: int | None


class NoticeRow(TypedDict):
    """What an agent should know about something that happened, in words."""

    installation_id: Annotated[int, KEY]
    agent_id: Annotated[str, KEY, Text(64)]
    seq: Annotated[int, KEY]
    kind: Annotated[str, Text(40)]
    # The id of the task, message, write or agent that it is about.
    subject: Annotated[str, Text(120)]
    message: str
    # Only an agent that may see this repository gets it. None: every agent.
    repository_id: int | None
    created_at: int
    # When the agent made its next call after an answer with the notice.
    seen_at: int | None
    # The text on GitHub that the notice is about, if it is about one.
    text_kind: Annotated[TextKind | None, Text(20)]
    text_id: int | None


TABLES = (
    Table(
        "messages",
        MessageRow,
        Index("ix_messages_sender", "installation_id", "sender", "sent_at"),
        Index("ix_messages_task", "installation_id", "task_id", "seq"),
        Index("ix_messages_thread", "installation_id", "thread_id", "seq"),
        Index("ix_messages_recipient", "installation_id", "recipient", "seq"),
    ),
    Table(
        "receipts",
        ReceiptRow,
        Index("ix_receipts_inbox", "installation_id", "agent_id", "state", "priority", "seq"),
        Index("ix_receipts_message", "installation_id", "message_id"),
        Index("ix_receipts_expiry", "state", "expires_at"),
        Index("ix_receipts_state", "installation_id", "state", "message_id"),
    ),
    Table(
        "notices",
        NoticeRow,
        Index("ix_notices_unseen", "installation_id", "agent_id", "seen_at", "created_at"),
        Index("ix_notices_age", "created_at"),
    ),
)
