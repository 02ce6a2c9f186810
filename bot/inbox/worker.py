"""The worker of the inbox: applies each delivery to the mirror, then runs the commands in it."""

import asyncio
import itertools
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import structlog

from bot import tracing
from bot.inbox import batching
from bot.inbox.backpressure import Backpressure
from bot.inbox.batching import Batch
from bot.inbox.command_finder import VERBS
from bot.inbox.command_runner import retry_or_give_up, run_command
from bot.inbox.processing import process
from bot.kernel.operation import Shared
from bot.tracing import Span
from store.engine.transaction import Store, StoreError
from store.inbox import commands, deliveries
from store.inbox.deliveries import DeliveryKey
from store.tables.inbox import CommandRow

log = structlog.get_logger()
T = TypeVar("T", Batch, DeliveryKey, CommandRow)

# Deliveries at once. Deliveries of one repository wait for each other: they lock its row.
AT_ONCE = 4
BATCH = 100
# How long a step begins new deliveries, and then how long it begins new commands.
AT_MOST_S = 2.0


async def step(
    store: Store,
    shared: Shared,
    pressure: Backpressure | None = None,
    *,
    at_most_s: float = AT_MOST_S,
) -> int:
    """Process deliveries and commands that are due. Return how many there were.

    A step ends early, so that what came in meanwhile gets its turn.
    """
    until = time.monotonic() + at_most_s
    due = await store.read(lambda tx: deliveries.due(tx, BATCH))
    batches = deque(in_turns(batching.by_repository(due)))
    found = len(due)

    async def process_some() -> None:
        while batches:
            batch = batches.popleft()
            if pressure is not None:
                await pressure.wait()
            await process(store, shared.keys, batch["installation_id"], batch["guids"])
            if time.monotonic() >= until:
                return

    await asyncio.gather(*(process_some() for _ in range(AT_ONCE)))
    waiting = in_turns(await store.read(lambda tx: commands.due(tx, BATCH)))
    until = time.monotonic() + at_most_s
    for row in waiting:
        await _try_command(store, shared, row)
        if time.monotonic() >= until:
            break
    return found + len(waiting)


def in_turns(rows: Sequence[T]) -> list[T]:
    """One row of each installation, then a second one of each, and so on."""
    taken: Counter[int] = Counter()
    rounds = []
    for row in rows:
        rounds.append(taken[row["installation_id"]])
        taken[row["installation_id"]] += 1
    return [row for _, _, row in sorted(zip(rounds, itertools.count(), rows, strict=False))]


def _span(row: CommandRow) -> AbstractContextManager[Span]:
    """The verb is a word of a person if no command has it."""
    known = row["verb"] if row["verb"] in VERBS else "unknown"
    return tracing.span(
        f"command {known}",
        "consumer",
        parent=row["trace"],
        hubbub__command__verb=known,
        hubbub__command__source=row["source_kind"],
        hubbub__command__attempt=row["attempts"] + 1,
        hubbub__installation__id=row["installation_id"],
    )


async def _try_command(store: Store, shared: Shared, row: CommandRow) -> None:
    try:
        with _span(row):
            await run_command(store, shared, row)
    except StoreError:
        raise  # the database is away: that is no failure of this command
    except Exception:  # a bug: the other commands must still run
        place = f"{row['source_kind']} {row['source_id']}"
        log.exception("command failed", verb=row["verb"], place=place)
        await retry_or_give_up(store, row)
