"""What is still to be read from GitHub."""

from typing import Annotated, TypedDict

from store.tables.columns import KEY, SMALL, Default, Index, Json, Table, Text


class PendingReadRow(TypedDict):
    installation_id: Annotated[int, KEY]
    kind: Annotated[str, KEY, Text(40)]
    subject: Annotated[str, KEY, Text(255)]
    arguments: Json
    state: Annotated[str, Text(20)]
    # Counts the askings, so that one that comes in while the answer is fetched is not lost.
    asked: Annotated[int, Default("1")]
    attempts: Annotated[int, SMALL, Default("0")]
    not_before: int
    error: str | None
    asked_at: int
    answered_at: int | None
    # 0 somebody waits, 1 the mirror is unsure, 2 backfill.
    priority: Annotated[int, SMALL, Default("0")]


class BackfillRow(TypedDict):
    """What is fetched of a repository when it appears, part by part; 0 for what its owner has."""

    installation_id: Annotated[int, KEY]
    repository_id: Annotated[int, KEY]
    part: Annotated[str, KEY, Text(40)]
    state: Annotated[str, Text(20)]
    # Only what changed since then; 0 for everything.
    since: Annotated[int, Default("0")]
    # Where to go on: a time reached, and the link of the next page.
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
        # Which installations have something waiting is asked over all of them.
        Index("ix_backfills_waiting", "state", "not_before", "installation_id"),
    ),
)
