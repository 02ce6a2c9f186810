"""Writes for GitHub, and the limits on them."""

from typing import Annotated, TypedDict

from store.tables.columns import KEY, SMALL, Default, Index, Json, Table, Text


class WriteRow(TypedDict):
    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    seq: int
    kind: Annotated[str, Text(40)]
    repository_id: int
    target: Annotated[str, Text(255)]
    arguments: Json
    author: Annotated[str, Text(120)]
    task_id: Annotated[str | None, Text(40)]
    lease_id: Annotated[str | None, Text(40)]
    state: Annotated[str, Text(20)]
    attempts: Annotated[int, SMALL, Default("0")]
    # Looks since the outcome became unknown, and outcomes that GitHub did not give.
    looks: Annotated[int, SMALL, Default("0")]
    failures: Annotated[int, SMALL, Default("0")]
    not_before: int
    queued_at: int
    sending_at: int | None
    finished_at: int | None
    result: Json | None
    # While the write waits, its `message` says why.
    error: Json | None
    # 0 for people, 1 for agents and for what the bot shows of them.
    lane: Annotated[int, SMALL, Default("1")]
    # When a notice told the author that the write failed.
    told_at: int | None
    # The trace that it belongs to, as a W3C traceparent. NULL while traces are off.
    trace: Annotated[str | None, Text(60)]


class BudgetRow(TypedDict):
    installation_id: Annotated[int, KEY]
    resource: Annotated[str, KEY, Text(60)]
    limit_: int | None
    remaining: int | None
    used: int | None
    reset_at: int | None
    blocked_until: Annotated[int, Default("0")]
    failures: Annotated[int, SMALL, Default("0")]
    recorded_at: int


class SenderRow(TypedDict):
    installation_id: Annotated[int, KEY]
    holder: Annotated[str, Text(80)]
    lease_until: int
    last_mutation_at: Annotated[int, Default("0")]
    # When the last write that notifies people was sent.
    last_notified_at: Annotated[int, Default("0")]
    # How many turns in a row went to people.
    streak: Annotated[int, SMALL, Default("0")]


class AllowanceRow(TypedDict):
    """The limits that GitHub does not report: when each would be whole again."""

    installation_id: Annotated[int, KEY]
    name: Annotated[str, KEY, Text(20)]
    full_at: int


class SpendingRow(TypedDict):
    """Mutations by author and hour: who spent what, and whose turn was how long ago."""

    installation_id: Annotated[int, KEY]
    hour: Annotated[int, KEY]
    author: Annotated[str, KEY, Text(120)]
    requests: int
    last_at: int


class BudgetSampleRow(TypedDict):
    """What was left of a limit at a time, or how many writes waited (`queue`)."""

    installation_id: Annotated[int, KEY]
    at: Annotated[int, KEY]
    name: Annotated[str, KEY, Text(60)]
    limit_: int | None
    n: int


TABLES = (
    Table(
        "writes",
        WriteRow,
        Index("ix_writes_state", "state", "not_before", "installation_id"),
        Index("ix_writes_queue", "installation_id", "state", "seq"),
        Index("ix_writes_task", "installation_id", "task_id", "state", "seq"),
        Index("ix_writes_target", "installation_id", "target", "state", "seq"),
        Index("ix_writes_author", "installation_id", "author", "state", "finished_at"),
    ),
    Table("budgets", BudgetRow),
    Table("senders", SenderRow),
    Table("allowances", AllowanceRow),
    Table(
        "spending",
        SpendingRow,
        Index("ix_spending_author", "installation_id", "author", "last_at"),
    ),
    Table("budget_samples", BudgetSampleRow),
)
