"""The backfill of a repository, part by part, and its progress.

Each part is a row. The fetched data and the place where the part continues are written in one
transaction, so a process that is killed loses at most one page. The `repository_id` 0 stands for
the boards of the account.
"""

from collections.abc import Sequence
from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Tx
from store.mirror.stored_repositories import PRESENT_OF_ALL, VISIBLE
from store.tables.fetch import BackfillRow

KEY = ("installation_id", "repository_id", "part")
COLUMNS = (*KEY, "state", "since", "reached", "not_before", "started_at")
# A queued part becomes done, or refused if GitHub does not let the App read it. No event says when
# that ends, so a refused part is tried again after this time.
REFUSED_FOR = 24 * 3600 * 1_000_000
# The last wait repeats.
BACKOFF_S = (5, 15, 60, 300, *(900,) * 12, 24 * 3600)
SECOND = 1_000_000
OF_ONE = "AND b.installation_id = :i"


class RepositoryKey(TypedDict):
    installation_id: int
    id: int


class PartKey(TypedDict):
    installation_id: int
    repository_id: int
    part: str


class PartProgress(TypedDict):
    """The progress of a part. `name` is the repository's or the owner's."""

    installation_id: int
    repository_id: int
    name: str
    part: str
    state: str
    seen: int
    calls: int
    expected: int | None
    attempts: int
    error: str | None
    started_at: int
    finished_at: int | None


class Unfinished(TypedDict):
    """A repository whose backfill is not complete."""

    id: int
    name: str
    seen: int
    expected: int


async def begin(
    tx: Tx, installation_id: int, repository_id: int, parts: Sequence[str], since: int = 0
) -> None:
    """Start these parts, from the beginning or from a time. A part that is under way starts again.

    A part that already covers more time continues.
    """
    for part in parts:
        known = await _queued_since(tx, installation_id, repository_id, part)
        if since and known is not None and known <= since:
            continue
        await _forget_part(tx, installation_id, repository_id, part)
        await _begin(tx, installation_id, repository_id, part, since)
    tx.rings.add("outbox")


async def begin_new(tx: Tx, installation_id: int, repository_id: int, part: str) -> None:
    """Begin the backfill of a new repository, unless it has one."""
    await _begin(tx, installation_id, repository_id, part, 0)
    tx.rings.add("outbox")


async def _begin(tx: Tx, installation_id: int, repository_id: int, part: str, since: int) -> None:
    now = await tx.now()
    await tx.run(
        sql.insert_new(tx.dialect, "backfills", COLUMNS, KEY),
        installation_id=installation_id,
        repository_id=repository_id,
        part=part,
        state="queued",
        since=since,
        reached=since,
        not_before=now,
        started_at=now,
    )


async def _queued_since(tx: Tx, installation_id: int, repository_id: int, part: str) -> int | None:
    row = await tx.one(
        "SELECT since FROM backfills WHERE installation_id = :i AND repository_id = :r "
        "AND part = :p AND state = 'queued'",
        i=installation_id,
        r=repository_id,
        p=part,
    )
    return row["since"] if row else None


async def _forget_part(tx: Tx, installation_id: int, repository_id: int, part: str) -> None:
    await tx.run(
        "DELETE FROM backfills WHERE installation_id = :i AND repository_id = :r AND part = :p",
        i=installation_id,
        r=repository_id,
        p=part,
    )


async def forget(tx: Tx, installation_id: int, repository_id: int | None = None) -> None:
    """Drop the backfill, so that it begins again when the repository is present."""
    where, more = "installation_id = :i", {}
    if repository_id is not None:
        where, more = f"{where} AND repository_id = :r", {"r": repository_id}
    await tx.run(f"DELETE FROM backfills WHERE {where}", i=installation_id, **more)


def _parts_of_repository(tx: Tx) -> str:
    """SQL: the parts `b`, read by their repository."""
    return sql.by_index(tx.dialect, "backfills b", "PRIMARY")


async def repositories_without_backfill(tx: Tx, limit: int) -> list[RepositoryKey]:
    """Repositories that the installation covers and whose backfill never began."""
    return await tx.all(
        f"SELECT r.installation_id, r.id FROM repositories r WHERE {VISIBLE} AND {PRESENT_OF_ALL} "
        "AND EXISTS (SELECT 1 FROM installations n WHERE n.installation_id = r.installation_id) "
        f"AND NOT EXISTS (SELECT 1 FROM {_parts_of_repository(tx)} "
        "WHERE b.installation_id = r.installation_id "
        "AND b.repository_id = r.id) LIMIT :n",
        n=limit,
    )


async def owners_without_backfill(tx: Tx, limit: int) -> list[int]:
    """Installations whose backfill of boards never began."""
    rows = await tx.all(
        "SELECT n.installation_id FROM installations n WHERE n.deleted = 0 "
        f"AND n.suspended_at IS NULL AND NOT EXISTS (SELECT 1 FROM {_parts_of_repository(tx)} "
        "WHERE b.installation_id = n.installation_id AND b.repository_id = 0) LIMIT :n",
        n=limit,
    )
    return [row["installation_id"] for row in rows]


async def due(tx: Tx, installation_id: int) -> BackfillRow | None:
    """The part to continue next."""
    q = (
        "SELECT * FROM backfills WHERE installation_id = :i AND state = 'queued' "
        "AND not_before <= :now ORDER BY not_before, repository_id, part LIMIT 1"
    )
    return await tx.one(q, i=installation_id, now=await tx.now())


async def lock(tx: Tx, part: BackfillRow) -> bool:
    """Lock the part. False if another transaction changed it."""
    row = await tx.one(
        "SELECT calls, started_at FROM backfills WHERE installation_id = :i "
        "AND repository_id = :r AND part = :p AND state = 'queued' FOR UPDATE",
        i=part["installation_id"],
        r=part["repository_id"],
        p=part["part"],
    )
    return row == {"calls": part["calls"], "started_at": part["started_at"]}


async def advance(
    tx: Tx,
    part: BackfillRow,
    *,
    seen: int,
    expected: int | None,
    reached: int,
    next_page: str | None,
    done: bool,
) -> None:
    """Record a fetched page and where to continue. The part goes to the end of the queue."""
    now = await tx.now()
    await _change(
        tx,
        part,
        seen=part["seen"] + seen,
        calls=part["calls"] + 1,
        expected=expected,
        reached=reached,
        next_page=next_page,
        attempts=0,
        error=None,
        not_before=now,
        state="done" if done else "queued",
        finished_at=now if done else None,
    )


async def mark_done(tx: Tx, part: PartKey) -> None:
    """Mark the part as complete."""
    await _change(tx, part, state="done", finished_at=await tx.now())


async def mark_failed(tx: Tx, part: BackfillRow, error: str) -> None:
    """Retry later, with growing delays."""
    wait = BACKOFF_S[min(part["attempts"], len(BACKOFF_S) - 1)] * SECOND
    await _change(
        tx,
        part,
        attempts=part["attempts"] + 1,
        error=error[:4000],
        not_before=await tx.now() + wait,
    )


async def mark_refused(tx: Tx, part: BackfillRow, error: str) -> None:
    """Record that GitHub does not let the App read this part now."""
    now = await tx.now()
    again = {"finished_at": now, "not_before": now + REFUSED_FOR}
    await _change(tx, part, state="refused", error=error[:4000], **again)


async def retry_refused(tx: Tx, installation_id: int, repository_id: int) -> int:
    """Try the refused parts of a repository again. Return how many there were."""
    tx.rings.add("outbox")
    return await tx.run(
        "UPDATE backfills SET state = 'queued', attempts = 0, error = NULL, finished_at = NULL, "
        "not_before = :now WHERE installation_id = :i AND repository_id = :r "
        "AND state = 'refused'",
        now=await tx.now(),
        i=installation_id,
        r=repository_id,
    )


async def long_refused(tx: Tx, limit: int) -> list[RepositoryKey]:
    """Repositories of parts that were refused a day ago."""
    return await tx.all(
        "SELECT installation_id, repository_id AS id FROM backfills "
        "WHERE state = 'refused' AND not_before <= :now LIMIT :n",
        now=await tx.now(),
        n=limit,
    )


async def _change(tx: Tx, part: PartKey, **values: object) -> None:
    sets = ", ".join(f"{name} = :{name}" for name in values)
    await tx.run(
        f"UPDATE backfills SET {sets} WHERE installation_id = :i AND repository_id = :r "
        "AND part = :p",
        i=part["installation_id"],
        r=part["repository_id"],
        p=part["part"],
        **values,
    )


async def progress(tx: Tx, installation_id: int | None = None) -> list[PartProgress]:
    """The parts that are queued or refused, or all parts of one installation."""
    where = "b.state <> 'done'" if installation_id is None else "b.installation_id = :i"
    more = {} if installation_id is None else {"i": installation_id}
    return await tx.all(
        "SELECT b.installation_id, b.repository_id, COALESCE(r.full_name, n.account) AS name, "
        "b.part, b.state, b.seen, b.calls, b.expected, b.attempts, b.error, b.started_at, "
        "b.finished_at "
        "FROM backfills b LEFT JOIN repositories r ON r.installation_id = b.installation_id "
        "AND r.id = b.repository_id LEFT JOIN installations n "
        f"ON n.installation_id = b.installation_id WHERE {where} "
        "ORDER BY b.installation_id, b.repository_id, b.part",
        **more,
    )


async def unfinished_repositories(tx: Tx, installation_id: int | None = None) -> list[Unfinished]:
    """The first repositories with queued parts."""
    one, more = ("", {}) if installation_id is None else (OF_ONE, {"i": installation_id})
    return await tx.all(
        "SELECT r.id, r.full_name AS name, SUM(b.seen) AS seen, "
        "SUM(COALESCE(b.expected, 0)) AS expected "
        "FROM backfills b JOIN repositories r ON r.installation_id = b.installation_id "
        f"AND r.id = b.repository_id AND {VISIBLE} "
        f"WHERE b.state = 'queued' {one} GROUP BY r.id, r.full_name ORDER BY r.full_name LIMIT 10",
        **more,
    )
