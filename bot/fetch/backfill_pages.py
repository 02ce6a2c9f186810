"""Fetch a page of a backfill, apply it, and store in the same transaction where to continue."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

import structlog

from bot.fetch import kinds
from bot.fetch.answers import boards
from bot.fetch.answers.answer import Reading
from bot.fetch.backfill import PARTS, Part
from bot.fetch.steps import BACKFILL_PAGE, Step, step
from bot.github import features
from bot.github.channel import Channel
from bot.github.outcomes import Meaning, Outcome
from bot.github.payloads import Json, at, maybe_number, time
from bot.github.requests import Answer, Request, link, next_page
from bot.identity.keyring import Keys
from bot.mirror import reads
from bot.times import DAY
from store.engine.transaction import Tx
from store.fetch import backfills
from store.mirror import mirror_rows, projects, stored_installations, stored_repositories
from store.mirror.mirror_rows import IdAndNumber
from store.tables.fetch import BackfillRow

log = structlog.get_logger()

# A transaction applies this many rows of a page, so that others do not wait long for it.
CHUNK = 20
# A part has at most this many pages. A million entries are 10,000 pages; more is an endless list.
MOST_PAGES = 20_000
# A page without entries may have a next one. A list with so many more of them is endless.
MOST_EMPTY_PAGES = 20


async def fill(channel: Channel, keys: Keys, part: BackfillRow) -> None:
    """Fetch the next page of a part, apply it, and store where to continue."""
    read_at, prepared = await channel.store.read(lambda tx: _prepare(tx, part))
    if prepared is None:
        return await channel.store.write(lambda tx: backfills.mark_done(tx, part))
    which, path, arguments = prepared
    request = Request("GET", path)
    outcome = await channel.ask(part["installation_id"], request, lambda d: isinstance(d, list))
    next_step = step(BACKFILL_PAGE, outcome.meaning, part["attempts"])
    if features.is_off(outcome):
        next_step = Step.GIVE_UP  # until it is on again
    if next_step is not Step.APPLY:
        return await _postpone(channel, part, next_step, outcome)
    reading = Reading(part["installation_id"], arguments, outcome.data, read_at)
    try:
        await _apply_page(channel, keys, part, which, reading, outcome.answer, path)
    except Exception as exc:  # a bug in one part must not stop the others
        log.exception("backfill page not applied", part=part["part"])
        bad = Outcome(Meaning.MALFORMED, f"{type(exc).__name__}: {exc}")
        next_step = step(BACKFILL_PAGE, bad.meaning, part["attempts"])
        await _postpone(channel, part, next_step, bad)


async def _postpone(channel: Channel, part: BackfillRow, next_step: Step, outcome: Outcome) -> None:
    if next_step is Step.WAIT:
        return  # the scheduler repeats it when the rate limit allows
    if next_step is Step.GIVE_UP:
        log.warning("backfill part given up", part=part["part"], why=outcome.why)
        await channel.store.write(lambda tx: backfills.mark_refused(tx, part, outcome.why))
    else:
        log.warning("backfill part put off", part=part["part"], why=outcome.why)
        await channel.store.write(lambda tx: backfills.mark_failed(tx, part, outcome.why))


async def _prepare(
    tx: Tx, part: BackfillRow
) -> tuple[int, tuple[Part, str, reads.Arguments] | None]:
    return await tx.now(), await _next_request(tx, part)


async def _next_request(tx: Tx, part: BackfillRow) -> tuple[Part, str, reads.Arguments] | None:
    """The part, the path of its next page and the arguments. None if there is nothing to fetch."""
    here = (part["installation_id"], part["repository_id"])
    if part["part"].startswith(boards.ITEMS):
        return await _next_items_page(tx, part)
    name = await stored_repositories.repository_name(tx, *here)
    if name is None or await stored_repositories.repository_by_id(tx, *here) is None:
        return None
    which = PARTS[part["part"]]
    path = part["next_page"] or f"/repos/{name}/{which.path(part)}"
    return which, path, {"repository_id": part["repository_id"]}


async def _next_items_page(tx: Tx, part: BackfillRow) -> tuple[Part, str, reads.Arguments] | None:
    i = part["installation_id"]
    owner = await stored_installations.installation(tx, i)
    wanted = int(part["part"].removeprefix(boards.ITEMS))
    found = [p for p in await projects.projects(tx, i) if p["number"] == wanted]
    if not found or owner is None or owner["gone_at"] is not None:
        return None
    arguments = await kinds.project_arguments(tx, i, found[0])
    path = f"/orgs/{owner['account']}/projectsV2/{wanted}/items?per_page=100"
    query = kinds.fields_query(arguments)
    whole = f"{path}&{query}" if query else path
    return BOARD_ITEMS, part["next_page"] or whole, arguments


BOARD_ITEMS = Part("organization_projects: read", lambda _: "", boards.apply_items)


async def _apply_page(
    channel: Channel,
    keys: Keys,
    part: BackfillRow,
    which: Part,
    reading: Reading,
    answer: Answer,
    path: str,
) -> None:
    """Apply a page in small transactions. The last one also stores where to continue."""
    listed = reading.entries
    chunks = [
        replace(reading, data=listed[n : n + CHUNK]) for n in range(0, max(len(listed), 1), CHUNK)
    ]
    for chunk in chunks[:-1]:
        await channel.store.write(
            lambda tx, c=chunk: _apply(tx, keys, part, which, c)  # type: ignore[misc]
        )
    place = _place(part, which, reading, next_page(answer, path))

    async def apply_last(tx: Tx) -> None:
        if not await backfills.lock(tx, part):
            return  # somebody started this backfill again in the meantime
        await _apply(tx, keys, part, which, chunks[-1])
        await _queue_missing(tx, part, which, reading.entries, place)
        await backfills.advance(
            tx,
            part,
            seen=len(reading.entries),
            expected=_expected_entries(part, answer),
            reached=place.reached,
            next_page=place.next_page,
            done=place.done,
        )
        tx.rings.add(f"installation {part['installation_id']}")

    await channel.store.write(apply_last)
    if place.done:
        log.info("backfill part done", part=part["part"], repository=part["repository_id"])


async def _apply(tx: Tx, keys: Keys, part: BackfillRow, which: Part, chunk: Reading) -> None:
    if part["repository_id"]:
        await stored_repositories.lock_repository(
            tx, part["installation_id"], part["repository_id"]
        )
    await which.apply(tx, keys, chunk)
    now = await tx.now()
    for each in chunk.entries:
        for read in which.reads_for(part, each, now):
            await reads.queue(tx, part["installation_id"], read)


@dataclass(frozen=True)
class Place:
    """Where to continue: from a time, or with the link of a page."""

    reached: int
    next_page: str | None
    done: bool


def _place(part: BackfillRow, which: Part, page: Reading, following: str | None) -> Place:
    updated = [time(at(each, "updated_at")) for each in page.entries]
    # A wrong time in the future must not make the backfill skip all that is before it.
    times = [each for each in updated if each <= page.read_at + DAY]
    over = which.newest_first and part["since"] and times and min(times) < part["since"]
    empty_pages = part["calls"] - part["seen"]
    endless = part["calls"] >= MOST_PAGES or empty_pages >= MOST_EMPTY_PAGES
    if following is None or over or endless:
        return Place(max([part["reached"], *times]), None, done=True)
    if which.table and max(times, default=0) > part["reached"]:
        return Place(max(times), None, done=False)
    # Either more than a page changed within one second, or pages do not go by time of change.
    return Place(part["reached"], following, done=False)


async def _queue_missing(
    tx: Tx, part: BackfillRow, which: Part, page: list[Json], place: Place
) -> None:
    """Queue reads of rows that the page should have and lacks: they changed or were deleted."""
    table = which.table or ""
    if table not in MISSED or part["next_page"]:
        return
    here = (part["installation_id"], part["repository_id"])
    until = place.reached if not place.done else FOREVER
    listed = {maybe_number(at(each, "id")) for each in page}
    span = (part["reached"], until)
    for row in await mirror_rows.changed_between(tx, table, *here, *span):
        if row["id"] not in listed:
            await reads.queue(tx, part["installation_id"], MISSED[table](here[1], row))


FOREVER = 2**62
MISSED: dict[str, Callable[[int, IdAndNumber], reads.Read]] = {
    "issues": lambda repository_id, row: reads.thread(
        "issue", repository_id, row["number"], reads.SOON
    ),
    "comments": reads.comment,
}


def _expected_entries(part: BackfillRow, answer: Answer) -> int | None:
    """About how many entries there are, from the first page's link to the last one."""
    if part["expected"] is not None:
        return int(part["expected"])
    query = parse_qs(urlsplit(link(answer, "last") or "").query)
    page = query.get("page", [""])[0]
    return int(page) * 100 if page.isdecimal() else None
