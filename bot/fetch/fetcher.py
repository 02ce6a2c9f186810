"""Perform one pending read: ask GitHub, page by page, and apply the answer to the mirror."""

from dataclasses import replace

import structlog

from bot.fetch import absence, kinds
from bot.fetch.absence import Verdict
from bot.fetch.answers.answer import Reading
from bot.fetch.steps import LATER_READ, READ, Step, step
from bot.github import features
from bot.github.channel import Channel
from bot.github.outcomes import Meaning, Outcome
from bot.github.requests import Request, link, next_page
from bot.identity.keyring import Keys
from bot.mirror import reads
from bot.times import DAY, SECOND
from store.engine.transaction import Tx
from store.fetch import pending_reads
from store.inbox import commands
from store.mirror import stored_installations, stored_repositories
from store.tables.fetch import PendingReadRow

log = structlog.get_logger()

# With these answers GitHub says no.
REFUSALS = (Meaning.ABSENT, Meaning.REFUSED, Meaning.FORBIDDEN, Meaning.BLOCKED)
# A read stops after this many pages of a list.
MOST_PAGES = 10


async def look_up(channel: Channel, keys: Keys, read: PendingReadRow) -> None:
    """Ask GitHub and apply the answer, or store why that failed and when to try again."""
    queued, read_at = read, await channel.store.read(lambda tx: tx.now())
    path, read = await _locate(channel, read)
    if path is None:
        return await _settle(channel, read)
    outcome, is_whole = await _ask(channel, read, path)
    if "repository_id" in read["arguments"] and features.is_off(outcome):
        return await _park(channel, read, outcome)
    if kinds.KINDS[read["kind"]].for_callers and outcome.meaning in REFUSALS:
        return await _tell_callers(channel, read, outcome.why)
    steps = LATER_READ if read["priority"] == reads.LATER else READ
    next_step = step(steps, outcome.meaning, read["attempts"])
    if next_step is not Step.APPLY:
        return await _postpone(channel, read, next_step, outcome)
    i, arguments = read["installation_id"], read["arguments"]
    try:
        if outcome.meaning is Meaning.ABSENT:
            await _take_absence(channel, queued, read, read_at, outcome)
        else:
            reading = Reading(i, arguments, outcome.data, read_at, is_whole)
            await _apply(channel, keys, read, reading)
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
    known = await stored_installations.installation(tx, i)
    if known and known["gone_at"] is not None and read["kind"] != "installation":
        return None  # the App has no access; a backfill follows when it is installed again
    return await kind.complete(tx, i, read["arguments"])


async def _repository_name(channel: Channel, read: PendingReadRow) -> str | None:
    here = (read["installation_id"], read["arguments"]["repository_id"])
    return await channel.store.read(lambda tx: stored_repositories.repository_name(tx, *here))


async def _ask(channel: Channel, read: PendingReadRow, path: str) -> tuple[Outcome, bool]:
    """The outcome, with the pages of a list in one answer, and whether the list is complete."""
    i, kind = read["installation_id"], kinds.KINDS[read["kind"]]
    outcome = await channel.ask(i, Request("GET", path), kind.fits)
    if not kind.lists:
        return outcome, True
    if outcome.status == 409 and outcome.meaning is Meaning.ABSENT:
        # The repository has no commit, so the list of its branches is empty.
        empty = replace(outcome.answer, data=[])
        return replace(outcome, meaning=Meaning.DONE, answer=empty), True
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


async def _take_absence(
    channel: Channel, queued: PendingReadRow, read: PendingReadRow, read_at: int, absent: Outcome
) -> None:
    """GitHub says that the object is not there: believe it, or look again later."""
    verdict, parent = await absence.judge(channel, read, read_at)
    if parent is not None and (not parent.has_answer or parent.meaning is Meaning.LIMITED):
        next_step = step(READ, parent.meaning, read["attempts"])
        return await _postpone(channel, read, next_step, parent)
    if verdict is Verdict.DOUBTFUL:
        until, arguments = absence.next_look(queued, read_at)
        return await channel.store.write(
            lambda tx: pending_reads.look_again(tx, queued, until, arguments)
        )
    is_blind = verdict is Verdict.BLIND
    if is_blind and read["kind"] != "permission" and read["attempts"] < absence.MOST_BLIND_LOOKS:
        return await _retry(channel, read, absent)
    why = absent.why if is_blind else None
    return await channel.store.write(
        lambda tx: _apply_absence(tx, read, is_deleted=not is_blind, why=why)
    )


async def _apply_absence(
    tx: Tx, read: PendingReadRow, *, is_deleted: bool, why: str | None
) -> None:
    if "repository_id" in read["arguments"]:
        here = (read["installation_id"], read["arguments"]["repository_id"])
        await stored_repositories.lock_repository(tx, *here)
    await kinds.apply_absence(tx, read, is_deleted=is_deleted)
    if read["kind"] in kinds.AWAITED_BY_COMMANDS:
        await commands.wake(tx, read["installation_id"], read["arguments"]["repository_id"])
    await pending_reads.mark_answered(tx, read, why)
    tx.rings.add(f"installation {read['installation_id']}")


async def _park(channel: Channel, read: PendingReadRow, outcome: Outcome) -> None:
    """The feature is off: ask again in a day, or when an event says that it may be on."""
    log.info("read parked", kind=read["kind"], subject=read["subject"], why=outcome.why)

    async def work(tx: Tx) -> None:
        await pending_reads.park(tx, read, await tx.now() + DAY, outcome.why)

    await channel.store.write(work)


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


async def _tell_callers(channel: Channel, read: PendingReadRow, why: str) -> None:
    """End the read. Those who wait for it find the reason in its row."""

    async def work(tx: Tx) -> None:
        await pending_reads.mark_answered(tx, read, why)
        tx.rings.add(f"installation {read['installation_id']}")

    await channel.store.write(work)


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


async def _apply(channel: Channel, keys: Keys, read: PendingReadRow, reading: Reading) -> None:
    async def work(tx: Tx) -> None:
        if "repository_id" in read["arguments"]:
            await stored_repositories.lock_repository(tx, *reading.here)
        await kinds.KINDS[read["kind"]].apply(tx, keys, reading)
        if read["kind"] in kinds.AWAITED_BY_COMMANDS:
            await commands.wake(tx, *reading.here)
        await pending_reads.mark_answered(tx, read)
        tx.rings.add(f"installation {read['installation_id']}")

    await channel.store.write(work)
