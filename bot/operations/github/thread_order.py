"""The order of a conversation: by time, and the comments of a review after the review."""

from collections.abc import Iterable
from typing import TypeAlias

from store.mirror.search_index import written_at
from store.mirror.threads import TextKind, ThreadRow

Key: TypeAlias = tuple[TextKind, int]
Place: TypeAlias = tuple[int, int, int, int]
# Of one second, because GitHub's times have whole seconds.
RANKS: dict[TextKind, int] = {"opening": 0, "comment": 1, "review": 2, "review_comment": 3}


def places(rows: Iterable[ThreadRow]) -> dict[Key, Place]:
    """Where each text stands. A comment may be older than its review, which was sent later."""
    rows = list(rows)
    submitted = {row["id"]: written_at(row) for row in rows if row["kind"] == "review"}
    return {(row["kind"], row["id"]): _place(row, submitted) for row in rows}


def _place(row: ThreadRow, submitted: dict[int, int]) -> Place:
    at = max(written_at(row), submitted.get(row.get("review_id") or 0, 0))
    return int(row["kind"] != "opening"), at, RANKS[row["kind"]], row["id"]
