"""Applies deliveries to the mirror, and stores the commands in them."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial

import structlog

from bot import tracing
from bot.github import webhook_payloads
from bot.github.payloads import Malformed
from bot.identity.keyring import Keys
from bot.inbox import batching, card_edits, command_reactions
from bot.inbox.batching import Prepared
from bot.inbox.command_finder import find_commands
from bot.inbox.command_reactions import TextWithCommands
from bot.mirror import webhooks, writer
from bot.mirror.changes import Changes
from bot.mirror.webhooks.event import Event
from bot.tracing import Span
from store.engine.origins import Origin
from store.engine.transaction import Store, Tx
from store.inbox import commands, deliveries, missed_deliveries
from store.inbox.commands import FoundCommand
from store.inbox.deliveries import Delivery
from store.tables.inbox import DeliveryRow
from store.tasks import tasks

log = structlog.get_logger()

# GitHub sends them to the App itself.
WITHOUT_INSTALLATION = {"github_app_authorization"}


async def process(store: Store, keys: Keys, installation_id: int, guids: Sequence[str]) -> None:
    """Process deliveries of one repository, in this order.

    Those that only mirror share a transaction. After a failure each is processed alone, so that
    one does not make others fail. One that fails alone is tried again later, and in the end it is
    dead.
    """
    try:
        batch = await _prepare(store, installation_id, guids)
        for run in await _runs(store, installation_id, batch):
            with (
                _span(installation_id, run),
                structlog.contextvars.bound_contextvars(guid=run[0].delivery.guid),
            ):
                await store.write(
                    partial(_apply, keys=keys, installation_id=installation_id, batch=run)
                )
    except Exception as exc:  # a bug or the database: stored with the delivery
        if len(guids) > 1:
            log.warning("deliveries failed together", guids=list(guids), why=repr(exc))
            for guid in guids:
                await process(store, keys, installation_id, [guid])
            return
        error, (guid,) = f"{type(exc).__name__}: {exc}", guids
        state = await store.write(
            lambda tx: deliveries.mark_failed(tx, installation_id, guid, error)
        )
        log.exception("delivery failed", guid=guid, state=state)


def _span(installation_id: int, batch: Sequence[Prepared]) -> AbstractContextManager[Span]:
    """The span of deliveries that are applied together. One alone goes on with its own trace."""
    first, traces = batch[0].delivery, [each.delivery.trace for each in batch]
    alone = len(batch) == 1
    return tracing.span(
        f"process {first.event}" if alone else "process deliveries",
        "consumer",
        parent=first.trace if alone else None,
        links=() if alone else traces,
        messaging__system="github",
        messaging__operation__type="process",
        messaging__destination__name="deliveries",
        messaging__message__id=first.guid if alone else None,
        messaging__batch__message_count=None if alone else len(batch),
        hubbub__installation__id=installation_id,
    )


async def _prepare(store: Store, installation_id: int, guids: Sequence[str]) -> list[Prepared]:
    found = await store.read(lambda tx: deliveries.to_process(tx, installation_id, guids))
    return [await _preparation(row, delivery) for row, delivery in found]


async def _preparation(row: DeliveryRow, delivery: Delivery) -> Prepared:
    packed = deliveries.pack(delivery.payload)
    try:
        changes = changes_of(delivery, row["received_at"])
    except Malformed as exc:
        log.warning(
            "delivery malformed", guid=delivery.guid, event_name=delivery.event, why=str(exc)
        )
        return Prepared(delivery, "malformed", None, (), packed)
    outcome: batching.Outcome = "kept" if changes is None else "mirrored"
    return Prepared(delivery, outcome, changes, await _find_commands(changes), packed)


def changes_of(delivery: Delivery, received_at: int) -> Changes | None:
    """The changes of the mirror; None for a delivery that is only stored. Raise Malformed."""
    if not delivery.installation_id and delivery.event not in WITHOUT_INSTALLATION:
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


async def _runs(
    store: Store, installation_id: int, batch: Sequence[Prepared]
) -> list[list[Prepared]]:
    """What is applied in one transaction each, in order."""
    if len(batch) < 2:
        return [[each] for each in batch]
    here = (installation_id, batch[0].delivery.repository_id or 0)
    numbers = batching.threads(batch)
    with_task = await store.read(lambda tx: tasks.threads_with_task(tx, *here, numbers))
    return list(batching.runs(batch, with_task))


async def _apply(tx: Tx, keys: Keys, installation_id: int, batch: Sequence[Prepared]) -> None:
    guids = [each.delivery.guid for each in batch]
    tx.origin = Origin("webhook", request=",".join(guids[:3]))
    await missed_deliveries.remove(tx, installation_id, guids)
    locked = await deliveries.lock(tx, installation_id, guids)
    # Another process may have processed some.
    mine = [each for each in batch if each.delivery.guid in locked]
    if not mine:
        return
    changes = [each.changes for each in mine if each.changes is not None]
    await writer.apply(tx, keys, installation_id, *changes)
    for each in mine:
        if each.changes is not None:
            await commands.add(tx, installation_id, each.found)
            await _acknowledge(tx, installation_id, each.found)
            for edit in each.changes.bot_comment_edits:
                await card_edits.apply(tx, keys, installation_id, edit)
    for outcome in sorted({each.outcome for each in mine}):
        packed = {each.delivery.guid: each.packed for each in mine if each.outcome == outcome}
        await deliveries.mark_processed(tx, installation_id, outcome, packed)
    tx.rings.add(f"installation {installation_id}")


async def _acknowledge(tx: Tx, installation_id: int, found: Sequence[FoundCommand]) -> None:
    """Show that new commands wait, if older ones of their issue wait for GitHub."""
    for each in found[:1]:
        place = (installation_id, each["repository_id"], each["number"])
        if await commands.waits_for_github(tx, *place):
            text: TextWithCommands = {
                "installation_id": installation_id,
                "repository_id": each["repository_id"],
                "number": each["number"],
                "source_kind": each["source_kind"],
                "source_id": each["source_id"],
            }
            await command_reactions.show_wait(tx, text)
