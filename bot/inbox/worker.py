"""The worker of the inbox: applies each delivery to the mirror, then runs the commands in it."""

import asyncio
import itertools
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import TypeVar

import structlog

from bot.github import webhook_payloads
from bot.github.payloads import Malformed
from bot.identity.keyring import Keys
from bot.inbox.backpressure import Backpressure
from bot.inbox.command_finder import find_commands
from bot.inbox.command_runner import retry_or_give_up, run_command
from bot.kernel.operation import Shared
from bot.mirror import webhooks, writer
from bot.mirror.changes import Changes
from bot.mirror.webhooks.event import Event
from store.engine.transaction import Store, StoreError, Tx
from store.inbox import commands, deliveries
from store.inbox.commands import FoundCommand
from store.inbox.deliveries import Delivery, DeliveryKey
from store.tables.inbox import CommandRow

log = structlog.get_logger()
T = TypeVar("T", DeliveryKey, CommandRow)

# Deliveries at once. Deliveries of one repository wait for each other: they lock its row.
AT_ONCE = 4
BATCH = 100
# After so many deliveries the worker pauses if webhooks come in fast.
SLICE = 20
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
    due = deque(in_turns(await store.read(lambda tx: deliveries.due(tx, BATCH))))
    found = len(due)

    async def process_some() -> None:
        while due:
            key = due.popleft()
            if pressure is not None and len(due) % SLICE == 0:
                await pressure.wait()
            await process(store, shared.keys, key["installation_id"], key["guid"])
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


async def process(store: Store, keys: Keys, installation_id: int, guid: str) -> None:
    """Process a delivery. After a failure it is tried again later, and in the end it is dead."""
    try:
        got = await store.read(lambda tx: deliveries.get(tx, installation_id, guid))
        if got is None:
            return
        row, delivery = got
        try:
            changes = changes_of(delivery, row["received_at"])
        except Malformed as exc:
            log.warning("delivery malformed", guid=guid, event_name=delivery.event, why=str(exc))
            await store.write(lambda tx: deliveries.mark_processed(tx, delivery, "malformed"))
            return
        found = await _find_commands(changes)
        await store.write(lambda tx: _apply(tx, keys, delivery, changes, found))
    except Exception as exc:  # a bug or the database: stored with the delivery
        error = f"{type(exc).__name__}: {exc}"
        state = await store.write(
            lambda tx: deliveries.mark_failed(tx, installation_id, guid, error)
        )
        log.exception("delivery failed", guid=guid, state=state)


def changes_of(delivery: Delivery, received_at: int) -> Changes | None:
    """The changes of the mirror; None for a delivery that is only stored. Raise Malformed."""
    if not delivery.installation_id:
        # Only the App's own webhook names an installation. A webhook of a repository or of an
        # organization with the same secret belongs to no tenant.
        return None
    payload = webhook_payloads.json_of(delivery.payload)
    event = Event(delivery.installation_id, delivery.action, payload, received_at)
    return webhooks.changes_of(delivery.event, event)


async def _find_commands(changes: Changes | None) -> list[FoundCommand]:
    rows: list[FoundCommand] = []
    for written in changes.texts if changes else ():
        rows += await find_commands(written)
    return rows


async def _apply(
    tx: Tx,
    keys: Keys,
    delivery: Delivery,
    changes: Changes | None,
    found: Sequence[FoundCommand],
) -> None:
    if not await deliveries.lock(tx, delivery):
        return  # another process has processed it
    i = delivery.installation_id
    if changes is not None:
        await writer.apply(tx, keys, i, changes)
        await commands.add(tx, i, found)
    outcome = "kept" if changes is None else "mirrored"
    await deliveries.mark_processed(tx, delivery, outcome)
    tx.rings.add(f"installation {i}")


async def _try_command(store: Store, shared: Shared, row: CommandRow) -> None:
    try:
        await run_command(store, shared, row)
    except StoreError:
        raise  # the database is away: that is no failure of this command
    except Exception:  # a bug: the other commands must still run
        log.exception("command failed", verb=row["verb"])
        await retry_or_give_up(store, row)
