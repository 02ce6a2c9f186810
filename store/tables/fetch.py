"""The queue of reads and the backfills."""

from typing import Annotated, TypedDict

from store.tables.columns import KEY, SMALL, Default, Index, Json, Table, Text


class PendingReadRow(TypedDict):
    installation_id: Annotated[int, KEY]
    kind: Annotated[str, KEY, Text(40)]
    subject: Annotated[str, KEY, Text(255)]
    arguments: Json
    state: Annotated[str, Text(20)]
    # Counts the requests, so that one that arrives while the answer is fetched is not lost.
    asked: Annotated[int, Default("1")]
    attempts: Annotated[int, SMALL, Default("0")]
    not_before: int
    error: str | None
    asked_at: int
    answered_at: int | None
    # 0 somebody waits, 1 the mirror is unsure, 2 backfill.
    priority: Annotated[int, SMALL, Default("0")]
    # The agent or person who waits for it; empty for what the mirror needs.
    asker: Annotated[str, Text(120), Default("''")]


class BackfillRow(TypedDict):
    """The backfill of a repository, part by part. `repository_id` 0 stands for its owner."""

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    part: Annotated[str, KEY, Text(40)]
    state: Annotated[str, Text(20)]
    # Only what changed since then; 0 for everything.
    since: Annotated[int, Default("0")]
    # Where to continue: from a time, or with the link of the next page.
    reached: Annotated[int, Default("0")]
    next_page: str | None
    seen: Annotated[int, Default("0")]
    calls: Annotated[int, Default("0")]
    expected: int | None
    attempts: Annotated[int, SMALL, Default("0")]
    not_before: int
    error: str | None
    started_at: int
    finished_at: int | None


TABLES = (
    Table(
        "pending_reads",
        PendingReadRow,
        Index("ix_pending_reads_state", "state", "not_before"),
        Index("ix_pending_reads_queue", "installation_id", "state", "priority", "not_before"),
    ),
    Table(
        "backfills",
        BackfillRow,
        Index("ix_backfills_state", "installation_id", "state", "not_before"),
        # One query finds the installations that have a read waiting.
        Index("ix_backfills_waiting", "state", "not_before", "installation_id"),
    ),
)
