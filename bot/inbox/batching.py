"""Which deliveries are applied in one transaction: those of one repository that only mirror."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias, TypedDict

from bot.comments import authorship
from bot.github.payloads import Mirrored
from bot.mirror.changes import Changes
from store.inbox.commands import FoundCommand
from store.inbox.deliveries import Delivery, DueDelivery

# Deliveries in a transaction at most: on SQLite other writers wait for it some 10 ms.
MOST = 20
# The stored payloads of a batch, which are read at once, have at most so many bytes.
MOST_BYTES = 2**20
# Deliveries with other changes than rows of these tables go alone.
TABLES = frozenset(
    {
        "installations",
        "repositories",
        "labels",
        "milestones",
        "issues",
        "comments",
        "pull_requests",
        "reviews",
        "review_comments",
        "review_threads",
        "check_runs",
        "workflow_runs",
        "workflow_jobs",
    }
)
# Tables whose rows belong to an issue or a pull request, with its number.
OF_THREADS = frozenset({"issues", "comments", "pull_requests", "reviews", "review_comments"})

Outcome: TypeAlias = Literal["mirrored", "kept", "malformed"]


class Batch(TypedDict):
    installation_id: int
    guids: list[str]


@dataclass(frozen=True)
class Prepared:
    """A delivery, what it changes, and its payload as it is kept."""

    delivery: Delivery
    outcome: Outcome
    changes: Changes | None
    found: Sequence[FoundCommand]
    packed: bytes


def by_repository(due: Iterable[DueDelivery]) -> list[Batch]:
    """The deliveries of each repository together, in their order. Those that failed go alone."""
    batches: list[Batch] = []
    open_batches: dict[tuple[int, int], tuple[Batch, int]] = {}
    for each in due:
        i, repository_id, size = each["installation_id"], each["repository_id"], each["size"]
        place = None if repository_id is None else (i, repository_id)
        if place is None or each["state"] != "received":
            batches.append({"installation_id": i, "guids": [each["guid"]]})
            continue
        batch, filled = open_batches.get(place, (None, 0))
        if batch is None or len(batch["guids"]) == MOST or filled + size > MOST_BYTES:
            batch, filled = {"installation_id": i, "guids": []}, 0
            batches.append(batch)
        batch["guids"].append(each["guid"])
        open_batches[place] = (batch, filled + size)
    return batches


def only_mirrors(prepared: Prepared) -> bool:
    """Whether it has no commands, and brings only rows, of which none has ended."""
    changes = prepared.changes
    if changes is None:
        return True
    only_rows = Changes(rows=changes.rows, reads=changes.reads, sender=changes.sender)
    return (
        not prepared.found
        and only_rows == _without_texts(changes)
        and all(map(_is_plain, changes.rows))
    )


def _without_texts(changes: Changes) -> Changes:
    """Without the texts and earlier bodies, which only bring commands and marks."""
    return Changes(**{**vars(changes), "texts": (), "earlier": ()})


def _is_plain(given: Mirrored) -> bool:
    """Whether the row is only stored. An issue of a bot may be one that Hubbub created."""
    row = given.row
    if given.table not in TABLES or row["deleted"]:
        return False
    if given.table == "issues":
        return not authorship.is_bot(row["author"])
    return given.table != "pull_requests" or row["state"] == "open"


def threads(batch: Iterable[Prepared]) -> set[int]:
    """The numbers of the issues and pull requests that the deliveries are about."""
    return {
        each.row["number"]
        for prepared in batch
        if prepared.changes
        for each in prepared.changes.rows
        if each.table in OF_THREADS
    }


def runs(batch: Sequence[Prepared], with_task: Collection[int]) -> Iterator[list[Prepared]]:
    """Split a batch, in its order: a delivery that does more than mirror is alone.

    `with_task`: the issues and pull requests that have a task.
    """

    def together(prepared: Prepared) -> bool:
        return only_mirrors(prepared) and not threads([prepared]) & set(with_task)

    for plain, group in groupby(batch, key=together):
        run = list(group)
        yield from [run] if plain else ([each] for each in run)
