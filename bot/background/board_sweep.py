"""Compares tasks with their boards, some at a time, and reads the boards' fields now and then."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeAlias

from bot.background.attempts import attempt
from bot.fetch.answers.boards import ITEMS
from bot.github import rate_limit_store
from bot.identity.actors import BOT
from bot.mirror import board_checks, reads
from bot.tasks import board_sync
from bot.times import DAY, SECOND
from store.engine.transaction import Store, Tx
from store.fetch import backfills
from store.mirror import board_syncs, projects, settings_files
from store.mirror.board_syncs import BoardSyncKey
from store.outbox import writes
from store.tables.boards import BoardSyncRow
from store.tasks import tasks

# Repositories in one step, and tasks of one of them in one transaction.
PLACES, BATCH = 20, 20
# A task that ended longer ago is left as it is on the board.
ENDED_LATELY = 7 * DAY
# When the queue is full or the budget short.
WHEN_BUSY = 30 * SECOND
# How long after the question the items are compared, which are read in between.
AFTER_READ = 120 * SECOND

Due: TypeAlias = Callable[[Tx, int, int], Awaitable[list[BoardSyncKey]]]
Look: TypeAlias = Callable[[Tx, BoardSyncKey], Coroutine[Any, Any, None]]


async def step(store: Store) -> int:
    """Return how many repositories were looked at, each in a transaction of its own."""
    swept = await _look_at_due(store, board_syncs.due_to_sweep, _sweep)
    return swept + await _look_at_due(store, board_syncs.due_to_look, _look)


async def _look_at_due(store: Store, find: Due, look: Look) -> int:
    due = await store.read(lambda tx: _due(tx, find))
    steps = [
        await attempt(
            _compare(store, look, each), "board not compared", repository=each["repository_id"]
        )
        for each in due
    ]
    return sum(steps)


async def _compare(store: Store, look: Look, key: BoardSyncKey) -> bool:
    await store.write(lambda tx: look(tx, key))
    return True


async def adopt(store: Store) -> int:
    """Begin with the boards of settings that an older version stored. Return how many."""
    found = await store.read(lambda tx: settings_files.with_unknown_board(tx, PLACES))
    for key in found:
        await store.write(
            lambda tx, key=key: board_checks.check(  # type: ignore[misc]
                tx, key["installation_id"], key["repository_id"]
            )
        )
    return len(found)


async def _due(tx: Tx, find: Due) -> list[BoardSyncKey]:
    return await find(tx, await tx.now(), PLACES)


async def _sweep(tx: Tx, key: BoardSyncKey) -> None:
    """Compare the next tasks of the repository, unless the bot has much to write already."""
    row, now = await board_syncs.lock(tx, key), await tx.now()
    if row is None or row["sweep_at"] is None or row["sweep_at"] > now:
        return
    i, where = key["installation_id"], key["repository_id"]
    busy = await writes.count_of(tx, i, BOT) >= board_sync.MOST_QUEUED
    if busy or await rate_limit_store.is_short(tx, i):
        await board_syncs.put(tx, {**row, "sweep_at": now + WHEN_BUSY})
        return
    since, after = now - ENDED_LATELY, row["sweep_after"]
    page = await tasks.numbered_after(tx, i, where, after, since, BATCH)
    for each in page:
        if (task := await tasks.lock(tx, i, each["id"])) is not None:
            await board_sync.catch_up(tx, task)
    await board_syncs.put(tx, _after(row, [each["number"] or 0 for each in page]))


def _after(row: BoardSyncRow, numbers: list[int]) -> BoardSyncRow:
    if len(numbers) < BATCH:
        return {**row, "sweep_at": None, "sweep_after": 0}
    return {**row, "sweep_after": max(numbers)}


async def _look(tx: Tx, key: BoardSyncKey) -> None:
    """Read the fields again, and then the items: an event may be lost for good."""
    row, now = await board_syncs.lock(tx, key), await tx.now()
    if row is None or row["look_at"] > now:
        return
    await board_syncs.put(tx, {**row, "look_at": now + board_checks.LOOK_EVERY})
    i = key["installation_id"]
    project = await projects.by_number(tx, i, row["project"])
    if project is None:
        await reads.queue(tx, i, reads.ALL_PROJECTS)
        return
    await reads.queue(tx, i, reads.board_fields(project["number"], project["id"]))
    await backfills.begin(tx, i, 0, (f"{ITEMS}{project['number']}",), 0)
    await board_syncs.request_sweep(tx, i, key["repository_id"], now + AFTER_READ)
