"""A read's way: asked of GitHub, page by page, and brought into the mirror."""

import structlog

from bot.fetch import kinds
from bot.fetch.answers.answer import Reading
from bot.github import rate_limits
from bot.github.channel import Channel, message_of
from bot.github.client import Answer, OutcomeUnknown, TokenRefused, Unreachable, link, onward
from bot.github.payloads import at
from bot.github.requests import Request
from bot.identity.keyring import Keys
from bot.mirror import reads
from bot.times import SECOND
from store.engine.transaction import Row, Tx
from store.fetch import pending_reads
from store.mirror import mirror_rows
from store.tables.fetch import PendingReadRow

log = structlog.get_logger()

MOST_PAGES = 10
# Of answers that make no sense.
MOST_TRIES = 10


async def look_up(channel: Channel, keys: Keys, read: PendingReadRow) -> None:
    """Ask, and bring in the answer; or note why not, and when to ask again."""
    read_at = await channel.store.read(lambda tx: tx.now())
    try:
        path, read = await _completed(channel, read)
        if path is None:
            return await _answered(channel, read)
        answer, whole = await _asked(channel, read, path)
    except (Unreachable, TokenRefused, OutcomeUnknown) as exc:
        return await _unanswered(channel, read, exc)
    if answer is None or rate_limits.limited(answer.status, answer.headers, message_of(answer)):
        return await _put_off(channel, read)
    if why := _unusable(read, answer):
        given_up = answer.status == 403 and read["priority"] == reads.LATER
        if answer.status == 200:
            return await _senseless(channel, read, why)
        return await (_answered if given_up else _failed)(channel, read, why)
    reading = Reading(read["installation_id"], read["arguments"], answer.data, read_at, whole)
    try:
        await _done(channel, keys, read, reading, answer.status)
    except Exception as exc:  # whatever GitHub said: it must not hold up the writes
        log.exception("read not applied", kind=read["kind"], subject=read["subject"])
        await _senseless(channel, read, f"{type(exc).__name__}: {exc}")


async def _completed(channel: Channel, read: PendingReadRow) -> tuple[str | None, PendingReadRow]:
    """Where to ask, None if there is nothing (any more); and the read with all its arguments."""
    kind = kinds.KINDS.get(read["kind"])
    if kind is None:
        return None, read  # another version asked for it
    arguments = await channel.store.read(lambda tx: _arguments(tx, kind, read))
    if arguments is None:
        return None, read
    path = kind.path(arguments)
    if not path.startswith("/"):
        name = await _repository_of(channel, read)
        if name is None:
            return None, read
        path = f"/repos/{name}/{path}"
    return path, {**read, "arguments": arguments}


async def _arguments(tx: Tx, kind: kinds.Kind, read: PendingReadRow) -> Row | None:
    i = read["installation_id"]
    known = await mirror_rows.installation(tx, i)
    if known and known["gone_at"] is not None and read["kind"] != "installation":
        return None  # it answers nothing; when it is back, all is fetched anew
    return await kind.complete(tx, i, read["arguments"])


async def _asked(channel: Channel, read: PendingReadRow, path: str) -> tuple[Answer | None, bool]:
    i, items = read["installation_id"], kinds.KINDS[read["kind"]].items
    answer, whole = await _list(channel, i, path, items)
    if answer and answer.status == 404 and read["kind"] in kinds.SINGLE:
        answer = await _looked_into(channel, read, answer)
    return answer, whole


def _unusable(read: PendingReadRow, answer: Answer) -> str | None:
    if answer.status not in (200, 404, 410):
        return f"{answer.status}: {message_of(answer)}"
    lists = kinds.KINDS[read["kind"]].lists
    if lists and answer.status == 200 and not isinstance(answer.data, list):
        return "the answer is no list"
    return None


async def _looked_into(channel: Channel, read: PendingReadRow, answer: Answer) -> Answer | None:
    """A 404 where the repository itself can be seen: it is gone. None: the turn was lost."""
    i = read["installation_id"]
    if not await channel.store.write(lambda tx: channel.may_go_on(tx, i)):
        return None
    path = f"/repositories/{read['arguments']['repository_id']}"
    there = await channel.request(i, Request("GET", path))
    if rate_limits.limited(there.status, there.headers, message_of(there)):
        return None
    return Answer(410, answer.headers, answer.data) if there.status == 200 else answer


async def _answered(channel: Channel, read: PendingReadRow, why: str | None = None) -> None:
    """There is nothing to ask, or the App was not granted it: new permissions fetch all anew."""
    if why:
        log.warning("read refused", kind=read["kind"], subject=read["subject"], why=why)
    await channel.store.write(lambda tx: pending_reads.mark_answered(tx, read, why))


async def _senseless(channel: Channel, read: PendingReadRow, why: str) -> None:
    """It may be better the next time; if it never is, it is let go, and the row says why."""
    given_up = read["attempts"] >= MOST_TRIES
    await (_answered if given_up else _failed)(channel, read, why)


async def _unanswered(channel: Channel, read: PendingReadRow, exc: Exception) -> None:
    await _failed(channel, read, f"{type(exc).__name__}: {exc}")
    if isinstance(exc, TokenRefused) and exc.status in (403, 404):
        # Perhaps removed or suspended, and the delivery that told so was lost.
        i = read["installation_id"]
        this = reads.installation(i, reads.NOW)
        await channel.store.write(lambda tx: reads.queue(tx, i, this))


async def _repository_of(channel: Channel, read: PendingReadRow) -> str | None:
    here = (read["installation_id"], read["arguments"]["repository_id"])
    return await channel.store.read(lambda tx: mirror_rows.repository_name(tx, *here))


async def _list(
    channel: Channel, installation_id: int, path: str, items: str | None
) -> tuple[Answer | None, bool]:
    """One answer, or the pages of a list put together; and whether that is all of it.

    None: between two pages the turn was lost.
    """
    answer = await channel.request(installation_id, Request("GET", path))
    whole = at(answer.data, items) if items else answer.data
    following = onward(answer, path, items)
    for _ in range(MOST_PAGES - 1):
        if answer.status != 200 or following is None or not isinstance(whole, list):
            break
        if not await channel.store.write(lambda tx: channel.may_go_on(tx, installation_id)):
            return None, False
        answer = await channel.request(installation_id, Request("GET", following))
        more = at(answer.data, items) if items else answer.data
        whole = whole + more if isinstance(more, list) else None
        following = onward(answer, following, items)
    data = whole if answer.status == 200 else answer.data
    return Answer(answer.status, answer.headers, data), link(answer) is None


async def _done(
    channel: Channel, keys: Keys, read: PendingReadRow, reading: Reading, status: int
) -> None:
    async def work(tx: Tx) -> None:
        if "repository_id" in read["arguments"]:
            await mirror_rows.lock_repository(tx, *reading.here)
        if status == 200:
            await kinds.KINDS[read["kind"]].apply(tx, keys, reading)
        else:
            await kinds.gone(tx, read, status)
        await pending_reads.mark_answered(tx, read)
        tx.rings.add(f"installation {read['installation_id']}")

    await channel.store.write(work)


async def _put_off(channel: Channel, read: PendingReadRow) -> None:
    """GitHub said wait: that is no fault of the read's."""

    async def work(tx: Tx) -> None:
        await pending_reads.put_off(tx, read, await tx.now() + SECOND)

    await channel.store.write(work)


async def _failed(channel: Channel, read: PendingReadRow, why: str) -> None:
    log.warning("read put off", kind=read["kind"], subject=read["subject"], why=why)

    async def work(tx: Tx) -> None:
        await pending_reads.mark_failed(tx, read, why)

    await channel.store.write(work)
