"""The inbox's worker: each delivery becomes mirror, commands, events, in one transaction."""

import asyncio
from collections.abc import Sequence

import structlog

from bot.comments import slash_commands
from bot.github import webhook_payloads
from bot.github.payloads import Malformed
from bot.identity.keyring import Keys
from bot.inbox import command_runner
from bot.inbox.backpressure import Backpressure
from bot.kernel.operation import Shared
from bot.mirror import webhooks, writer
from bot.mirror.changes import Changes
from bot.mirror.webhooks.event import Event
from store.engine.transaction import Row, Store, Tx
from store.inbox import commands, deliveries
from store.inbox.deliveries import Delivery, DeliveryKey
from store.tables.inbox import CommandRow

log = structlog.get_logger()

# Deliveries under way at once. Those of one repository take turns on its row.
ABREAST = 4
BATCH = 100
# After as many it makes way for intake, if that is busy.
SLICE = 20


async def step(store: Store, shared: Shared, pressure: Backpressure | None = None) -> int:
    """Process the deliveries and commands that are due. Return how many there were."""
    due = await store.read(lambda tx: deliveries.due(tx, BATCH))
    places = asyncio.Semaphore(ABREAST)

    async def one(key: DeliveryKey) -> None:
        async with places:
            await process(store, shared.keys, key["installation_id"], key["guid"])

    for n in range(0, len(due), SLICE):
        if pressure is not None:
            await pressure.ease()
        await asyncio.gather(*(one(key) for key in due[n : n + SLICE]))
    waiting = await store.read(lambda tx: commands.due(tx, BATCH))
    for row in waiting:
        await _run_command(store, shared, row)
    return len(due) + len(waiting)


async def process(store: Store, keys: Keys, installation_id: int, guid: str) -> None:
    """One delivery; a failure is noted and tried again later, then it is dead."""
    try:
        got = await store.read(lambda tx: deliveries.get(tx, installation_id, guid))
        if got is None:
            return
        row, delivery = got
        try:
            changes = meaning(delivery, row["received_at"])
        except Malformed as exc:
            log.warning("delivery malformed", guid=guid, event_name=delivery.event, why=str(exc))
            await store.write(lambda tx: deliveries.mark_processed(tx, delivery, "malformed"))
            return
        found = await _commands(changes)
        await store.write(lambda tx: _mirror(tx, keys, delivery, changes, found))
    except Exception as exc:  # a bug, or an engine's refusal: noted with the delivery
        error = f"{type(exc).__name__}: {exc}"
        state = await store.write(
            lambda tx: deliveries.mark_failed(tx, installation_id, guid, error)
        )
        log.exception("delivery failed", guid=guid, state=state)


def meaning(delivery: Delivery, received_at: int) -> Changes | None:
    """What it changes; None for one that is only kept. Raise Malformed."""
    payload = webhook_payloads.parsed(delivery.payload)
    event = Event(delivery.installation_id, delivery.action, payload, received_at)
    return webhooks.changes_of(delivery.event, event)


async def _commands(changes: Changes | None) -> list[Row]:
    """The rows of the commands in its texts."""
    rows: list[Row] = []
    for written in changes.texts if changes else ():
        if slash_commands.may_have_commands(written.text):
            rows += await asyncio.to_thread(command_runner.found_in, written)
    return rows


async def _mirror(
    tx: Tx,
    keys: Keys,
    delivery: Delivery,
    changes: Changes | None,
    found: Sequence[Row],
) -> None:
    if not await deliveries.take(tx, delivery):
        return  # another process did it
    i = delivery.installation_id
    if changes is not None:
        await writer.apply(tx, keys, i, changes)
        await commands.add(tx, [{"installation_id": i, **row} for row in found])
    outcome = "kept" if changes is None else "mirrored"
    await deliveries.mark_processed(tx, delivery, outcome)
    tx.rings.add(f"installation {i}")


async def _run_command(store: Store, shared: Shared, row: CommandRow) -> None:
    try:
        await command_runner.answer(store, shared, row)
    except Exception:  # a bug: the asker's other commands must go on
        log.exception("command failed", verb=row["verb"])
        later = row["attempts"] * command_runner.LOOK_AGAIN + command_runner.LOOK_AGAIN

        async def put_off(tx: Tx) -> None:
            await commands.put_off(tx, row, await tx.now() + later)

        await store.write(put_off)
