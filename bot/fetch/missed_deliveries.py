"""Repair: find webhook deliveries that never reached the inbox, and get them.

GitHub never sends a delivery again by itself. It keeps a log of deliveries for three days. When the
log has a delivery that the inbox lacks, Hubbub asks GitHub to send it again, or fetches it. After a
gap that is longer than the log, Hubbub reads everything that changed since the gap began.
"""

import json
from dataclasses import dataclass, field

import structlog

from bot.fetch import backfill, delivery_log
from bot.fetch.delivery_log import OVERLAP, WINDOW, Survey
from bot.fetch.steps import LOGGED_DELIVERY, MOST_TRIES, Step, step
from bot.github import rate_limit_store, rate_limits, webhook_payloads
from bot.github.channel import APP, Channel
from bot.github.outcomes import Meaning, Outcome
from bot.github.payloads import Json, at, maybe_number
from bot.github.requests import Request, next_page
from bot.identity.keyring import Keys
from bot.mirror import reads, writer
from bot.mirror.changes import Changes
from bot.mirror.rows import installation_rows
from bot.times import SECOND, stamp
from store.engine import key_values
from store.engine.transaction import Tx
from store.inbox import deliveries, missed_deliveries
from store.mirror import stored_installations, stored_repositories
from store.mirror.freshness import LATE_AFTER, SURVEYED
from store.outbox import sender_leases
from store.tables.inbox import LostDeliveryRow

log = structlog.get_logger()

EVERY_S = 300.0
# Seconds between two requests. After a request to send a delivery again Hubbub waits longer.
PACE_S = 0.1
ASKING_PACE_S = 1.0
# How long Hubbub waits for a delivery after the first and the second request to send it again.
# Then it fetches the delivery.
PATIENCE = (60 * SECOND, 300 * SECOND)
# Seconds until the next try, after GitHub gave no usable answer.
AGAIN_S = 30.0
# GitHub refuses the App or its log. That lasts, so Hubbub asks ever more rarely, at last hourly.
MOST_AGAIN_S = 3600.0
LASTING = (
    # The answer is that of another App.
    Meaning.DONE,
    Meaning.FORBIDDEN,
    Meaning.ABSENT,
    Meaning.REFUSED,
    Meaning.BLOCKED,
    Meaning.NO_TOKEN,
)
# The list of installations has at most this many pages of a hundred. A longer one is endless.
MOST_INSTALLATION_PAGES = 1_000
UNDER_SURVEY = "deliveries under survey"
# How long after `begin_again` a server may start that needs no more than the log.
START_WITHIN = 3600 * SECOND
# In pull mode the mirror counts as late after this many intervals and a minute without a survey.
PULL_IS_LATE = 3
LATE = 60 * SECOND


@dataclass(frozen=True)
class Turn:
    """What to do now: get a delivery, list a page, or neither and wait for some seconds."""

    delivery: LostDeliveryRow | None = None
    survey: bool = False
    wait_s: float = 0


@dataclass
class Repair(Channel):
    """Finds and gets missed deliveries. With `fetches` (pull mode) no webhooks come at all."""

    keys: Keys = field(kw_only=True)
    fetches: bool = False
    every_s: float = EVERY_S
    _survey: Survey | None = field(default=None, repr=False)
    # Whether GitHub knows our credentials as those of the App that this database belongs to.
    _is_own_app: bool = False
    # The next page of the list of installations. None after the last one.
    _installations: str | None = "/app/installations?per_page=100"
    _installation_pages: int = 0
    # How often in a row GitHub refused the App or its log.
    _refusals: int = 0

    async def step(self) -> float:
        """Make one request, if one is due. Return the seconds until the next step."""
        turn = await self.store.write(self._next_turn)
        if (turn.delivery or turn.survey) and not self._is_own_app:
            return await self._check_app()
        if turn.delivery:
            return await self._recover_safely(turn.delivery)
        if turn.survey and self._installations is not None:
            return await self._list_installations(self._installations)
        if turn.survey:
            return await self._list_page()
        return turn.wait_s

    async def release(self) -> None:
        await self.store.write(lambda tx: sender_leases.release(tx, self.me))

    async def _next_turn(self, tx: Tx) -> Turn:
        timing = self.timing
        if await sender_leases.acquire(tx, APP, self.me, timing.lease, timing.grace) is None:
            self._survey = None
            return Turn(wait_s=min(self.every_s, AGAIN_S))
        now = await tx.now()
        ready = rate_limits.ready_at(await rate_limit_store.of(tx, APP), rate_limits.READ, now)
        if ready > now:
            return Turn(wait_s=(ready - now) / SECOND)
        # The survey goes first, because it may find a delivery that Hubbub just asked for.
        if self._survey is not None:
            return Turn(survey=True)
        next_survey = await self._begin_survey(tx, now)
        if self._survey is not None:
            return Turn(survey=True)
        if row := await missed_deliveries.due(tx):
            return Turn(delivery=row)
        next_lost = await missed_deliveries.next_at(tx)
        soonest = min(next_survey, next_lost or next_survey)
        return Turn(wait_s=max(soonest - now, 0) / SECOND)

    async def _begin_survey(self, tx: Tx, now: int) -> int:
        """Begin a survey if one is due. Return when the next one is due."""
        last = int(await key_values.get(tx, SURVEYED) or 0)
        due = last + int(self.every_s * SECOND)
        if due > now:
            return due
        if last and last < now - WINDOW:
            await _read_changes_since(tx, last - OVERLAP)
            await key_values.put(tx, SURVEYED, str(now - WINDOW))
        goes_on = await key_values.get(tx, UNDER_SURVEY) != "yes"
        await key_values.put(tx, UNDER_SURVEY, "yes")
        self._survey = Survey(now, max(last - OVERLAP, now - WINDOW), goes_on)
        return due

    async def _check_app(self) -> float:
        """Ask once, at start, whose credentials we have: another App must not touch our data."""
        outcome = await self.ask(APP, Request("GET", "/app"), lambda data: isinstance(data, dict))
        if outcome.meaning is Meaning.LIMITED:
            return PACE_S
        if not outcome.has_answer or outcome.meaning in (Meaning.UNKNOWN, Meaning.MALFORMED):
            return _delay_after_failure(outcome)
        found = maybe_number(at(outcome.data, "id"))
        owners = await self.store.read(stored_installations.app_ids)
        self._is_own_app = outcome.meaning is Meaning.DONE and (
            found in owners if owners else self.github.is_app(found, 0)
        )
        if self._is_own_app:
            return 0
        why = f"App {found}, not of {owners}" if found else outcome.why
        self.trouble = f"GitHub does not accept the credentials as those of our App: {why}"
        log.warning("wrong credentials of the App", why=why)
        return self._wait_after(outcome)

    def _wait_after(self, outcome: Outcome) -> float:
        if outcome.meaning is Meaning.MALFORMED:
            return self.every_s
        if outcome.meaning not in LASTING:
            return AGAIN_S
        self._refusals += 1
        return min(AGAIN_S * (1 << min(self._refusals - 1, 10)), MOST_AGAIN_S)

    async def _list_installations(self, path: str) -> float:
        """List the installations once, at start, because older ones are not in the log any more."""
        read_at = await self.store.read(lambda tx: tx.now())
        outcome = await self.ask(APP, Request("GET", path), _is_list)
        if not outcome.has_answer:
            return _delay_after_failure(outcome)
        if outcome.meaning is Meaning.DONE:
            await self.store.write(
                lambda tx: _apply_installations(tx, self.keys, outcome.data, read_at)
            )
        if outcome.meaning is Meaning.LIMITED:
            return PACE_S
        self._installation_pages += 1
        endless = self._installation_pages >= MOST_INSTALLATION_PAGES
        self._installations = None if endless else next_page(outcome.answer, path)
        return PACE_S

    async def _list_page(self) -> float:
        survey = self._survey
        assert survey is not None
        assert survey.next_page is not None
        outcome = await self.ask(APP, Request("GET", survey.next_page), _is_list)
        if not outcome.has_answer:
            return _delay_after_failure(outcome)
        if outcome.meaning is Meaning.LIMITED:
            return PACE_S
        if outcome.meaning is not Meaning.DONE:
            self._survey = None
            self.trouble = f"GitHub's delivery log: {outcome.status} {outcome.words}"
            log.warning("cannot read GitHub's delivery log", why=self.trouble)
            return self._wait_after(outcome)
        self._refusals = 0
        page = [row for each in outcome.data if (row := delivery_log.entry(each)) is not None]
        arrived = [
            row
            for row in page
            # An earlier survey recorded older ones, and Hubbub may have given them up since.
            if row["delivered_at"] >= survey.floor
            and (self.fetches or not survey.is_under_way(row))
        ]
        news = await self.store.write(
            lambda tx: missed_deliveries.record(tx, arrived, survey.began)
        )
        if news:
            log.info("missed deliveries found", found=news)
        survey.next_page = next_page(outcome.answer, survey.next_page)
        survey.pages += 1
        survey.empty_pages = 0 if outcome.data else survey.empty_pages + 1
        oldest = min((row["delivered_at"] for row in page if row["delivered_at"]), default=0)
        # In pull mode an earlier survey has seen everything that is older than a known delivery.
        seen_before = self.fetches and survey.goes_on and page and not news
        if survey.next_page is None or oldest < survey.floor or seen_before or survey.is_too_long:
            await self.store.write(lambda tx: self._end_survey(tx, survey))
            self._survey = None
        return PACE_S

    async def _end_survey(self, tx: Tx, survey: Survey) -> None:
        await key_values.put(tx, SURVEYED, str(survey.began))
        await key_values.put(tx, UNDER_SURVEY, "no")
        # In pull mode the mirror is only as fresh as the last survey.
        limit = int(PULL_IS_LATE * self.every_s * SECOND) + LATE if self.fetches else 0
        await key_values.put(tx, LATE_AFTER, str(limit))

    async def _recover_safely(self, row: LostDeliveryRow) -> float:
        try:
            return await self._recover(row)
        except Exception as exc:  # a bug in one must not stop the others
            log.exception("missed delivery failed", guid=row["guid"])
            if row["attempts"] < MOST_TRIES[Step.RETRY_FAILURE]:
                await self._retry(row, f"{type(exc).__name__}: {exc}")
            else:
                await self.store.write(lambda tx: _give_up(tx, row))
            return PACE_S

    async def _retry(self, row: LostDeliveryRow, why: str) -> None:
        async def work(tx: Tx) -> None:
            await missed_deliveries.record_request(tx, row, await tx.now() + PATIENCE[-1], why)

        await self.store.write(work)

    async def _recover(self, row: LostDeliveryRow) -> float:
        if await self.store.read(lambda tx: _is_in_inbox(tx, row)):
            await self._forget(row)
            return 0
        if self.fetches or row["attempts"] >= len(PATIENCE):
            return await self._fetch(row)
        outcome = await self.ask(APP, delivery_log.redelivery(row))
        if not outcome.has_answer:
            return _delay_after_failure(outcome)
        if outcome.meaning is Meaning.LIMITED:
            return PACE_S
        why = None if outcome.meaning is Meaning.DONE else outcome.why
        wait = 0 if why else PATIENCE[row["attempts"]]

        async def work(tx: Tx) -> None:
            await missed_deliveries.record_request(tx, row, await tx.now() + wait, why)

        await self.store.write(work)
        return ASKING_PACE_S

    async def _fetch(self, row: LostDeliveryRow) -> float:
        outcome = await self.ask(
            APP, delivery_log.one(row), lambda data: delivery_log.payload(data) is not None
        )
        if not outcome.has_answer:
            return _delay_after_failure(outcome)
        next_step = step(LOGGED_DELIVERY, outcome.meaning, row["attempts"])
        if next_step is Step.GIVE_UP:
            await self.store.write(lambda tx: _give_up(tx, row))
        elif next_step not in (Step.APPLY, Step.WAIT):
            await self._retry(row, outcome.why)
        elif payload := delivery_log.payload(outcome.data):
            body = json.dumps(payload).encode()
            found = webhook_payloads.delivery(row["guid"], row["event"], body, payload)
            await self.store.write(lambda tx: _receive(tx, row, found))
        return PACE_S

    async def _forget(self, row: LostDeliveryRow) -> None:
        await self.store.write(
            lambda tx: missed_deliveries.remove(tx, row["installation_id"], [row["guid"]])
        )


async def _apply_installations(tx: Tx, keys: Keys, listed: list[Json], read_at: int) -> None:
    for value in listed:
        if maybe_number(at(value, "id")) is None:
            continue
        row = installation_rows.installation(value, read_at=read_at)
        i = row.row["installation_id"]
        unknown = await stored_installations.installation(tx, i) is None
        wanted = (reads.ALL_REPOSITORIES,) if unknown else ()
        await writer.apply(tx, keys, i, Changes((row,), reads=wanted))


async def _is_in_inbox(tx: Tx, row: LostDeliveryRow) -> bool:
    return await deliveries.get(tx, row["installation_id"], row["guid"]) is not None


async def _receive(tx: Tx, row: LostDeliveryRow, found: deliveries.Delivery) -> None:
    await deliveries.receive(tx, [found])
    await missed_deliveries.remove(tx, row["installation_id"], [row["guid"]])


async def _give_up(tx: Tx, row: LostDeliveryRow) -> None:
    """GitHub no longer has the delivery, so read what changed in its repository since then."""
    log.warning("missed delivery given up", guid=row["guid"], event_name=row["event"])
    i, repository_id = row["installation_id"], row["repository_id"]
    if repository_id and await stored_repositories.repository_by_id(tx, i, repository_id):
        await backfill.begin(tx, i, repository_id, row["delivered_at"] - OVERLAP)
    elif i:
        await _queue_reads(tx, i)
    await missed_deliveries.remove(tx, i, [row["guid"]])


async def begin_again(tx: Tx) -> None:
    """Compare all of GitHub's log with the inbox, and read what changed since the last survey.

    For a database that lost its newest rows.
    """
    now = await tx.now()
    last = int(await key_values.get(tx, SURVEYED) or 0)
    await _read_changes_since(tx, max(last, now - WINDOW) - OVERLAP if last else now - WINDOW)
    # Not quite as far back as the log goes, because the server may start a little later.
    await key_values.put(tx, SURVEYED, str(min(last or now, now - WINDOW + START_WITHIN)))
    await key_values.put(tx, UNDER_SURVEY, "yes")


async def _read_changes_since(tx: Tx, since: int) -> None:
    """Read all that changed since a time, after a gap that is longer than GitHub's log."""
    log.warning("deliveries may be missing, so everything that changed is read", since=stamp(since))
    for installation_id in await stored_installations.present_installations(tx):
        await _queue_reads(tx, installation_id)
        await backfill.begin_owner(tx, installation_id)
    for row in await stored_repositories.present_repositories(tx):
        await backfill.begin(tx, row["installation_id"], row["id"], since)


async def _queue_reads(tx: Tx, installation_id: int) -> None:
    """Queue reads of an installation and of the list of its repositories."""
    await reads.queue(tx, installation_id, reads.ALL_REPOSITORIES)
    await reads.queue(tx, installation_id, reads.installation(installation_id))


def _is_list(data: Json) -> bool:
    return isinstance(data, list)


def _delay_after_failure(outcome: Outcome) -> float:
    log.warning("cannot read GitHub's delivery log", why=outcome.why)
    return AGAIN_S
