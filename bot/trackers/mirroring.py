"""The loop's step: serves the trackers with something due, many at once."""

import asyncio
import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from bot.identity.keyring import Broken
from bot.kernel.operation import Shared
from bot.notifications.message import Links
from bot.protocols.outgoing import Outgoing
from bot.repository import repository_settings
from bot.repository.mirror_settings import Mirror
from bot.times import SECOND
from bot.trackers import comparing, gitlab, making, polling, sending
from bot.trackers.client import Client, Unreachable
from bot.trackers.connection import token_of
from bot.trackers.polling import MOST_LOOKS, Reader, Refusal
from store import events
from store.engine.transaction import Store, Tx
from store.outbox import writes
from store.tables.trackers import TrackerRow
from store.trackers import links, reports, trackers

log = structlog.get_logger()

# Trackers served at once, and requests of one turn: others have theirs then.
AT_ONCE, REQUESTS = 8, 10
# Longer than a turn takes. After it another process goes on.
TAKEN_FOR = 300 * SECOND
# After a turn with nothing to do: events of tasks are followed this often.
LOOK_EVERY = 5 * SECOND
MOST_EVENTS, MOST_COMPARED = 500, 50
# After so many failures in a row, people are told; and the wait after each.
FAILING_AFTER = 3
WAITS_S = (10, 30, 90, 300, 900)
UNAUTHORIZED = "the token is not accepted, or may not do this; set another one"


@dataclass(frozen=True)
class Trouble:
    why: str
    wait_s: float = 0
    is_certain: bool = False


async def step(store: Store, shared: Shared, pages: Links) -> int:
    """Return how many trackers have more to do at once."""
    due = await store.read(lambda tx: trackers.due(tx, AT_ONCE))
    found = await asyncio.gather(*(_serve_alone(store, shared, pages, *each) for each in due))
    return sum(found)


async def _serve_alone(
    store: Store, shared: Shared, pages: Links, installation_id: int, tracker_id: str
) -> bool:
    try:
        return await serve(store, shared, pages, installation_id, tracker_id)
    except Exception:  # a bug, or the database is away: the others must go on
        log.exception("tracker not served", tracker=tracker_id)
        return False


async def serve(
    store: Store, shared: Shared, pages: Links, installation_id: int, tracker_id: str
) -> bool:
    """One turn of a tracker. True if it has more to do at once."""

    async def take(tx: Tx) -> tuple[TrackerRow, Mirror] | None:
        until = await tx.now() + TAKEN_FOR
        row = await trackers.take(tx, installation_id, tracker_id, until)
        if row is None:
            return None
        settings = await repository_settings.of(tx, installation_id, row["repository_id"])
        await _follow_rules(tx, row, settings.mirror)
        return row, settings.mirror

    taken = await store.write(take)
    if taken is None:
        return False
    row, mirror = taken
    trouble, more = await _requests(store, shared, row, mirror)
    more = await _compare(store, row, mirror, pages) or more
    return await store.write(lambda tx: _let_go(tx, row, trouble, more=more))


async def _follow_rules(tx: Tx, row: TrackerRow, mirror: Mirror) -> None:
    """Compare all again if the settings changed."""
    digest = hashlib.sha256(mirror.model_dump_json().encode()).hexdigest()
    if digest == row["rules"]:
        return
    here = (tx, row["installation_id"], row["id"])
    await links.compare_all(*here)
    changed: dict[str, Any] = {"rules": digest, "sweep_page": 0, "sweep_at": await tx.now()}
    await trackers.change(*here, **changed)
    row |= changed  # type: ignore[typeddict-item]


# --- The other side ------------------------------------------------------------------------------


async def _requests(
    store: Store, shared: Shared, row: TrackerRow, mirror: Mirror
) -> tuple[Trouble | None, bool]:
    """What goes wrong there, if anything, and whether there is more to read."""
    now = await store.read(lambda tx: tx.now())
    if row["limited_until"] > now:
        return None, False
    try:
        client = Client(row["url"], token_of(shared.keys, row), Outgoing(shared.trusted_origins))
    except Broken:
        return Trouble("the token cannot be decrypted; set it again", is_certain=True), False
    reader = Reader(store, client, row, mirror)
    try:
        found = await _turn(reader)
    except (Unreachable, gitlab.WrongShape, Refusal) as exc:
        return _trouble(exc), False
    if isinstance(found, Trouble):
        return found, False
    return (Trouble("", reader.limited_s), False) if reader.limited_s else (None, found)


def _trouble(exc: Unreachable | gitlab.WrongShape | Refusal) -> Trouble:
    if isinstance(exc, Refusal):
        is_certain = exc.status in (401, 403)
        return Trouble(UNAUTHORIZED if is_certain else str(exc), exc.wait_s, is_certain)
    if isinstance(exc, gitlab.WrongShape):
        return Trouble(f"its answer is not GitLab's: {exc}")
    return Trouble(exc.why)


async def _turn(reader: Reader) -> bool | Trouble:
    """Reports first: people wait for them. True if there is more to do at once."""
    for _ in range(REQUESTS):
        row, now = reader.tracker, await reader.store.read(lambda tx: tx.now())
        if reader.limited_s:
            return False
        if done := await sending.send_next(reader.store, reader.client, row):
            if done.trouble:
                return Trouble(UNAUTHORIZED, done.wait_s, is_certain=True)
            if done.wait_s or (done.why and done.outcome in ("again", "unknown")):
                return Trouble(done.why, done.wait_s)
        elif row["cursor_page"] or row["poll_at"] <= now:
            await polling.poll(reader)
        elif row["sweep_page"] or row["sweep_at"] <= now:
            await polling.sweep(reader)
        elif not await _look(reader):
            return False
    return True


async def _look(reader: Reader) -> bool:
    here = (reader.tracker["installation_id"], reader.tracker["id"])
    found = await reader.store.read(lambda tx: links.to_look_at(tx, *here, MOST_LOOKS))
    for link in found:
        await polling.look(reader, link)
    return bool(found)


# --- This side -----------------------------------------------------------------------------------


async def _compare(store: Store, row: TrackerRow, mirror: Mirror, pages: Links) -> bool:
    """Follow the events, compare what is due, and make tasks as far as there is room."""
    here = (row["installation_id"], row["id"])
    row["seq"] = await store.write(partial(_follow_events, row=row))
    due = await store.read(lambda tx: links.due(tx, *here, MOST_COMPARED))
    for foreign_id in due:
        await store.write(partial(_one, row=row, foreign_id=foreign_id, mirror=mirror, pages=pages))
    room = await store.read(partial(_room, row=row, mirror=mirror))
    waiting = await store.read(lambda tx: links.waiting(tx, *here, room)) if room else []
    for foreign_id in waiting:
        await store.write(partial(_make, row=row, foreign_id=foreign_id, mirror=mirror))
    return len(due) == MOST_COMPARED


async def _follow_events(tx: Tx, row: TrackerRow) -> int:
    """The issues of tasks with which something happened are due. Return the last event seen."""
    if await trackers.lock_own(tx, row) is None:
        return row["seq"]
    i = row["installation_id"]
    found = await events.since(tx, i, row["seq"], events.LAST, MOST_EVENTS)
    if not found:
        return row["seq"]
    subjects = {each["subject"] for each in found if each["kind"].startswith("task.")}
    await links.compare_tasks(tx, i, row["id"], subjects)
    seq = found[-1]["seq"]
    await trackers.change(tx, i, row["id"], seq=seq)
    return seq


async def _one(tx: Tx, row: TrackerRow, foreign_id: str, mirror: Mirror, pages: Links) -> None:
    if await trackers.lock_own(tx, row) is not None:
        await comparing.compare(tx, row, foreign_id, mirror, pages)


async def _make(tx: Tx, row: TrackerRow, foreign_id: str, mirror: Mirror) -> None:
    if await trackers.lock_own(tx, row) is not None:
        await making.make(tx, row, foreign_id, mirror)


async def _room(tx: Tx, row: TrackerRow, mirror: Mirror) -> int:
    """How many more issues may wait for GitHub."""
    queued = await writes.count_of(tx, row["installation_id"], making.author_of(row))
    return max(0, mirror.most_waiting - queued)


async def _let_go(tx: Tx, row: TrackerRow, trouble: Trouble | None, *, more: bool) -> bool:
    """Record how the turn went, and when the next one is due."""
    if await trackers.lock_own(tx, row) is None:
        return False
    i, now = row["installation_id"], await tx.now()
    values = _health(row, trouble, now)
    times = [row["poll_at"], row["sweep_at"], now + LOOK_EVERY]
    report_at = await reports.next_at(tx, i, row["id"])
    times += await links.next_times(tx, i, row["id"])
    times += [] if report_at is None else [report_at]
    limited = values.get("limited_until", row["limited_until"])
    soonest = min(now + LOOK_EVERY, max(min(times), limited))
    due_at = now if more and limited <= now else max(soonest, now + SECOND)
    await trackers.change(tx, i, row["id"], **values, taken_until=0, due_at=due_at)
    return due_at <= now


def _health(row: TrackerRow, trouble: Trouble | None, now: int) -> dict[str, Any]:
    if trouble is None:
        if row["limited_until"] > now or (row["health"], row["failures"]) == ("connected", 0):
            return {}
        return {"health": "connected", "health_why": None, "failures": 0}
    if not trouble.why:
        return {"limited_until": now + int(trouble.wait_s * SECOND)}
    failures = row["failures"] + 1
    wait_s = max(trouble.wait_s, WAITS_S[min(failures, len(WAITS_S)) - 1])
    is_failing = trouble.is_certain or failures >= FAILING_AFTER or row["health"] == "failing"
    return {
        "failures": min(failures, 30_000),
        "last_failure_at": now,
        "health": "failing" if is_failing else row["health"],
        "health_why": trouble.why[:600],
        "limited_until": now + int(wait_s * SECOND),
    }
