"""What Hubbub gave up to read from GitHub, and why."""

from dataclasses import dataclass

from store.engine.transaction import Tx
from store.fetch import backfills, pending_reads
from store.mirror import stored_repositories
from store.tables.fetch import PendingReadRow

# The newest of each are listed.
MOST = 20


@dataclass(frozen=True)
class GivenUp:
    """`what` is the kind of read or the part of the backfill, `where` the repository or owner."""

    what: str
    where: str
    why: str


@dataclass(frozen=True)
class Lists:
    reads: list[GivenUp]
    parts: list[GivenUp]


async def of(tx: Tx) -> Lists:
    found = [
        GivenUp(row["kind"], await _place(tx, row), row["error"] or "")
        for row in await pending_reads.given_up(tx, MOST)
    ]
    parts = [
        GivenUp(row["part"], row["name"] or str(row["repository_id"]), row["error"] or "")
        for row in await backfills.progress(tx)
        if row["state"] == "refused"
    ]
    return Lists(found, parts[:MOST])


async def _place(tx: Tx, row: PendingReadRow) -> str:
    i, repository_id = row["installation_id"], row["arguments"].get("repository_id")
    name = (
        await stored_repositories.repository_name(tx, i, repository_id) if repository_id else None
    )
    return name or f"installation {i}"
