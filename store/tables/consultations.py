"""Questions that one agent asks several, and circles of agents that wait for each other."""

from typing import Annotated, Literal, TypeAlias, TypedDict

from store.tables.columns import KEY, SMALL, Default, Flag, Index, Json, Table, Text

# answered: one answer won. decided: as many votes agreed as were needed. undecided: all voted, or
# the time was over. expired: nobody answered in time. ended: the asker or the one that was asked
# left. withdrawn: the asker took the question back.
ConsultationState: TypeAlias = Literal[
    "open", "answered", "decided", "undecided", "expired", "ended", "withdrawn"
]
# answer: `waiter` asked only `awaited`. task: `waiter` holds a task that is blocked by one that
# `awaited` holds.
WaitKind: TypeAlias = Literal["answer", "task"]


class ConsultationRow(TypedDict):
    """The question itself is the message with the same id; its receipts say who was asked."""

    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    asker: Annotated[str, Text(64)]
    # The only agent that was asked. None: there are several.
    sole: Annotated[str | None, Text(64)]
    # Of a vote: what agents choose from, and how many must agree.
    options: Json | None
    quorum: Annotated[int, SMALL, Default("1")]
    # The asker accepts an answer. Else the first one counts.
    judged: Annotated[Flag, Default("0")]
    state: Annotated[ConsultationState, Text(20)]
    # Who gave the answer that won, or the option that won.
    outcome: Annotated[str | None, Text(200)]
    created_at: int
    expires_at: int
    ended_at: int | None


class ConsultationAnswerRow(TypedDict):
    """The last answer of one agent, or its vote."""

    installation_id: Annotated[int, KEY]
    consultation_id: Annotated[str, KEY, Text(40)]
    agent_id: Annotated[str, KEY, Text(64)]
    message_id: Annotated[str, Text(40)]
    choice: Annotated[str | None, Text(200)]
    at: int
    # When the asker got it.
    seen_at: int | None


class WaitCircleRow(TypedDict):
    """One wait of a circle: `waiter` waits for `awaited`. `place` counts the waits of a circle."""

    installation_id: Annotated[int, KEY]
    circle_id: Annotated[str, KEY, Text(40)]
    place: Annotated[int, KEY, SMALL]
    waiter: Annotated[str, Text(120)]
    awaited: Annotated[str, Text(120)]
    kind: Annotated[WaitKind, Text(10)]
    # The consultation, or the task of `waiter` and the one that blocks it.
    subject: Annotated[str, Text(40)]
    blocker: Annotated[str | None, Text(40)]
    found_at: int


TABLES = (
    Table(
        "consultations",
        ConsultationRow,
        Index("ix_consultations_asker", "installation_id", "asker", "state"),
        Index("ix_consultations_expiry", "state", "expires_at"),
    ),
    Table("consultation_answers", ConsultationAnswerRow),
    Table("wait_circles", WaitCircleRow),
)
