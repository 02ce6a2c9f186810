"""Perform one pending read: ask GitHub, page by page, and apply the answer to the mirror."""

from dataclasses import replace

import structlog

from bot.fetch import kinds
from bot.fetch.answers.answer import Reading
from bot.fetch.steps import LATER_READ, READ, Step, step
from bot.github.channel import Channel
from bot.github.outcomes import Meaning, Outcome
from bot.github.requests import Request, link, next_page
from bot.identity.keyring import Keys
from bot.mirror import reads
from bot.times import SECOND
from store.engine.transaction import Tx
from store.fetch import pending_reads
from store.inbox import commands
from store.mirror import mirror_rows
from store.tables.fetch import PendingReadRow

log = structlog.get_logger()

# A read stops after this many pages of a list.
MOST_PAGES = 10


async def look_up(channel: Channel, keys: Keys, read: PendingReadRow) -> None:
    """Ask GitHub and apply the answer, or store why that failed and when to try again."""
    read_at = await channel.store.read(lambda tx: tx.now())
    path, read = await _locate(channel, read)
    if path is None:
        return await _settle(channel, read)
    outcome, is_whole = await _ask(channel, read, path)
    steps = LATER_READ if read["priority"] == reads.LATER else READ
    next_step = step(steps, outcome.meaning, read["attempts"])
    if next_step is not Step.APPLY:
        return await _postpone(channel, read, next_step, outcome)
    reading = Reading(read["installation_id"], read["arguments"], outcome.data, read_at, is_whole)
    try:
        await _apply(channel, keys, read, reading, outcome)
    except Exception as exc:  # a bug in a read must not hold up the writes
        log.exception("read not applied", kind=read["kind"], subject=read["subject"])
        bad = Outcome(Meaning.MALFORMED, f"{type(exc).__name__}: {exc}")
        await _postpone(channel, read, step(steps, bad.meaning, read["attempts"]), bad)


async def _locate(channel: Channel, read: PendingReadRow) -> tuple[str | None, PendingReadRow]:
    """The path, or None if there is nothing to read; and the read with all its arguments."""
    kind = kinds.KINDS.get(read["kind"])
    if kind is None:
        return None, read  # a newer version of Hubbub queued it
    arguments = await channel.store.read(lambda tx: _complete_arguments(tx, kind, read))
    if arguments is None:
        return None, read
    path = kind.path(arguments)
    if not path.startswith("/"):
        name = await _repository_name(channel, read)
        if name is None:
            return None, read
        path = f"/repos/{name}/{path}"
    return path, {**read, "arguments": arguments}


async def _complete_arguments(
    tx: Tx, kind: kinds.Kind, read: PendingReadRow
) -> reads.Arguments | None:
    i = read["installation_id"]
    known = await mirror_rows.installation(tx, i)
    if known and known["gone_at"] is not None and read["kind"] != "installation":
        return None  # the App has no access; a backfill follows when it is installed again
    return await kind.complete(tx, i, read["arguments"])


async def _repository_name(channel: Channel, read: PendingReadRow) -> str | None:
    here = (read["installation_id"], read["arguments"]["repository_id"])
    return await channel.store.read(lambda tx: mirror_rows.repository_name(tx, *here))


async def _ask(channel: Channel, read: PendingReadRow, path: str) -> tuple[Outcome, bool]:
    """The outcome, with the pages of a list in one answer, and whether the list is complete."""
    i, kind = read["installation_id"], kinds.KINDS[read["kind"]]
    outcome = await channel.ask(i, Request("GET", path), kind.fits)
    if outcome.status == 404 and read["kind"] in kinds.SINGLE:
        return await _confirm_absence(channel, read, outcome), True
    if not kind.lists:
        return outcome, True
    entries = []
    for page in range(1, MOST_PAGES + 1):
        if outcome.meaning is not Meaning.DONE:
            return outcome, False
        entries += kind.entries(outcome.data)
        following = next_page(outcome.answer, path)
        if following is None or page == MOST_PAGES:
            break
        path = following
        outcome = await channel.ask_next(i, Request("GET", path), kind.fits)
    answer = replace(outcome.answer, data=entries)
    return replace(outcome, answer=answer), link(answer) is None


async def _confirm_absence(channel: Channel, read: PendingReadRow, absent: Outcome) -> Outcome:
    """Turn a 404 into a 410 if the App can see the repository: then the thing was deleted."""
    path = f"/repositories/{read['arguments']['repository_id']}"
    there = await channel.ask_next(read["installation_id"], Request("GET", path))
    if not there.has_answer or there.meaning is Meaning.LIMITED:
        return there
    return replace(absent, status=410) if there.meaning is Meaning.DONE else absent


async def _postpone(
    channel: Channel, read: PendingReadRow, next_step: Step, outcome: Outcome
) -> None:
    if next_step is Step.WAIT:
        await channel.store.write(lambda tx: _put_off(tx, read))
    elif next_step is Step.GIVE_UP:
        await _settle(channel, read, outcome.why)
    else:
        await _retry(channel, read, outcome)


async def _settle(channel: Channel, read: PendingReadRow, why: str | None = None) -> None:
    """End a read without an answer: there is nothing to read, or Hubbub gives up."""
    if why:
        log.warning("read given up", kind=read["kind"], subject=read["subject"], why=why)
    await channel.store.write(lambda tx: pending_reads.mark_answered(tx, read, why))


async def _put_off(tx: Tx, read: PendingReadRow) -> None:
    await pending_reads.put_off(tx, read, await tx.now() + SECOND)


async def _retry(channel: Channel, read: PendingReadRow, outcome: Outcome) -> None:
    log.warning("read put off", kind=read["kind"], subject=read["subject"], why=outcome.why)

    async def work(tx: Tx) -> None:
        await pending_reads.mark_failed(tx, read, outcome.why)
        if outcome.token_status in (403, 404):
            # The App may be uninstalled or suspended, and the webhook may be lost.
            i = read["installation_id"]
            await reads.queue(tx, i, reads.installation(i, reads.NOW))

    await channel.store.write(work)


async def _apply(
    channel: Channel, keys: Keys, read: PendingReadRow, reading: Reading, outcome: Outcome
) -> None:
    async def work(tx: Tx) -> None:
        if "repository_id" in read["arguments"]:
            await mirror_rows.lock_repository(tx, *reading.here)
        if outcome.meaning is Meaning.DONE:
            await kinds.KINDS[read["kind"]].apply(tx, keys, reading)
        else:
            await kinds.apply_absence(tx, read, outcome.status)
        if read["kind"] in kinds.TEXTS:
            await commands.wake(tx, *reading.here)
        await pending_reads.mark_answered(tx, read)
        tx.rings.add(f"installation {read['installation_id']}")

    await channel.store.write(work)
