"""Reads a foreign tracker: what changed, all that matches from time to time, and single issues.

Pages shift while they are read. So the next page begins at the last change that was seen, and what
slips through is found by the next look at all issues.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from bot.repository.mirror_settings import Mirror
from bot.times import SECOND
from bot.trackers import gitlab, sightings
from bot.trackers.client import Client, Reply
from bot.trackers.foreign import ForeignIssue
from bot.trackers.gitlab import Ask
from store.engine.transaction import Store, Tx
from store.tables.trackers import TrackerLinkRow, TrackerRow
from store.trackers import links, trackers

POLL_EVERY, SWEEP_EVERY = 30 * SECOND, 6 * 3600 * SECOND
# A change may appear later than its time says.
OVERLAP = 60 * SECOND
# Single issues that one turn looks at.
MOST_LOOKS = 5


class Refusal(Exception):
    """The other side answered with an error. `wait_s`: how long to send nothing."""

    def __init__(self, status: int, wait_s: float) -> None:
        super().__init__(f"it answered {status}")
        self.status = status
        self.wait_s = wait_s


@dataclass
class Reader:
    """Reads for one turn. `limited_s`: how long the last answer asked to send nothing."""

    store: Store
    client: Client
    tracker: TrackerRow
    mirror: Mirror
    limited_s: float = field(default=0, init=False)

    async def ask(self, ask: Ask, *good: int, etag: str | None = None) -> Reply:
        """Raise Refusal, or Unreachable."""
        reply = await self.client.ask(ask, etag)
        now = await self.store.read(lambda tx: tx.now())
        wait_s = gitlab.wait_s(reply.status, reply.headers, now)
        if reply.status not in (200, *good):
            raise Refusal(reply.status, wait_s)
        self.limited_s = max(self.limited_s, wait_s)
        return reply

    async def record(self, work: "Work", **values: Any) -> bool:
        """Do it in a transaction with these columns. False if the tracker is not ours any more."""

        async def both(tx: Tx) -> bool:
            if await trackers.lock_own(tx, self.tracker) is None:
                return False
            await work(tx)
            if values:
                here = (self.tracker["installation_id"], self.tracker["id"])
                await trackers.change(tx, *here, **values)
            return True

        if not await self.store.write(both):
            return False
        self.tracker |= values  # type: ignore[typeddict-item]
        return True


Work: TypeAlias = Callable[[Tx], Awaitable[None]]


async def poll(reader: Reader) -> bool:
    """Read one page of what changed. True if there is more. Raise Refusal, Unreachable."""
    row = reader.tracker
    page, at = row["cursor_page"], row["cursor_at"]
    if page == 0:
        page, at = 1, None if at is None else at - OVERLAP
    ask = gitlab.changed_issues(row["project"], at, page)
    tag = _tag(ask, row["etag"])
    reply = await reader.ask(ask, 304, etag=tag)
    now = await reader.store.read(lambda tx: tx.now())
    done = {"cursor_page": 0, "poll_at": now + POLL_EVERY, "last_poll_at": now}
    if reply.status == 304:
        await reader.record(_nothing, **done)
        return False
    found = gitlab.issues(reply.data)
    newest = max([row["cursor_at"] or 0, *(each.version for each in found)])
    is_last = len(found) < gitlab.PER_PAGE
    if is_last:
        values: dict[str, Any] = done | {"cursor_at": newest or _began(row, reply, now)}
    else:
        # A page full of one moment is followed by the next page of it.
        last = found[-1].version
        values = {"cursor_at": last, "cursor_page": page + 1 if last == at else 1}
    values["etag"] = _stored_tag(ask, reply)
    await reader.record(partial(_store, reader=reader, issues=found, sweep=None), **values)
    return not is_last


def _began(row: TrackerRow, reply: Reply, now: int) -> int:
    """Where to read on in a project without any issue."""
    return gitlab.server_time(reply.headers) or row["cursor_at"] or now


async def sweep(reader: Reader) -> bool:
    """Read one page of all that matches. True if there is more. Raise Refusal, Unreachable."""
    row, now = reader.tracker, await reader.store.read(lambda tx: tx.now())
    number, page = row["sweep"], row["sweep_page"]
    if page == 0:
        number, page = number + 1, 1
    ask = gitlab.matching_issues(row["project"], tuple(reader.mirror.labels), page)
    found = gitlab.issues((await reader.ask(ask)).data)
    is_last = len(found) < gitlab.PER_PAGE
    values = {
        "sweep": number,
        "sweep_page": 0 if is_last else page + 1,
        "sweep_at": now + SWEEP_EVERY if is_last else now,
    }
    work = partial(_store, reader=reader, issues=found, sweep=number, ends=is_last)
    await reader.record(work, **values)
    return not is_last


async def look(reader: Reader, link: TrackerLinkRow) -> None:
    """Look at one issue by its number. Raise Refusal, Unreachable."""
    project = reader.tracker["project"]
    reply = await reader.ask(gitlab.one_issue(project, link["number"]), 404, 410)
    if reply.status == 200:
        found = gitlab.issue(reply.data)
        if found.id == link["foreign_id"]:
            await reader.record(partial(_store, reader=reader, issues=[found], alone=True))
            return
    # Only if the project itself is there, the issue is not.
    await reader.ask(Ask("GET", gitlab.project_path(project)))
    await reader.record(partial(_missing, reader=reader, foreign_id=link["foreign_id"]))


async def _store(
    tx: Tx,
    reader: Reader,
    issues: list[ForeignIssue],
    *,
    sweep: int | None = None,
    ends: bool = False,
    alone: bool = False,
) -> None:
    await sightings.store(tx, reader.tracker, issues, reader.mirror, sweep=sweep, alone=alone)
    if ends:
        here = (tx, reader.tracker["installation_id"], reader.tracker["id"])
        await links.look_at_missing(*here, sweep or 0)


async def _missing(tx: Tx, reader: Reader, foreign_id: str) -> None:
    await sightings.note_missing(tx, reader.tracker, foreign_id)


async def _nothing(_tx: Tx) -> None:
    return None


def _tag(ask: Ask, stored: str | None) -> str | None:
    """The ETag of the last answer, if it was to the same request."""
    digest, _, etag = (stored or "").partition(" ")
    return etag if etag and digest == _digest(ask) else None


def _stored_tag(ask: Ask, reply: Reply) -> str | None:
    etag = reply.headers.get("ETag", "")
    return f"{_digest(ask)} {etag}" if etag and etag.isascii() and len(etag) < 200 else None


def _digest(ask: Ask) -> str:
    return hashlib.sha256(ask.path.encode()).hexdigest()[:32]
