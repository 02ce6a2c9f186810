"""Repair: find the deliveries that GitHub sent and the inbox never got, and bring them in.

GitHub never sends a delivery again by itself. It keeps a log of three days. Hubbub asks GitHub to
send again what the log has and the inbox lacks, or fetches it. What is older than the log can only
be found by time: everything that changed since then is read.
"""

import json
from dataclasses import dataclass, field

import structlog

from bot.fetch import backfill, delivery_log
from bot.fetch.delivery_log import OVERLAP, WINDOW, Survey
from bot.fetch.steps import LOGGED_DELIVERY, Step, step
from bot.github import rate_limit_store, rate_limits, webhook_payloads
from bot.github.channel import APP, Channel
from bot.github.outcomes import Meaning, Outcome
from bot.github.payloads import Json, at, maybe_number
from bot.github.requests import Request, next_page
from bot.identity.keyring import Keys
from bot.mirror import reads, writer
from bot.mirror.changes import Changes
from bot.mirror.rows import installation_rows
from bot.times import SECOND
from store.engine import key_values
from store.engine.transaction import Tx
from store.inbox import deliveries, missed_deliveries
from store.mirror import mirror_rows
from store.mirror.freshness import LATE_AFTER, SURVEYED
from store.outbox import sender_leases
from store.tables.inbox import LostDeliveryRow

log = structlog.get_logger()

EVERY_S = 300.0
# Seconds between two requests; more between those that make GitHub send something.
PACE_S = 0.1
ASKING_PACE_S = 1.0
# After asking for a delivery: until when it should have come. Then it is fetched.
PATIENCE = (60 * SECOND, 300 * SECOND)
# After GitHub could not be used.
AGAIN_S = 30.0
UNDER_SURVEY = "deliveries under survey"
# In pull mode, after so many intervals and a minute without a look the mirror is behind.
PULL_IS_LATE = 3
LATE = 60 * SECOND


@dataclass(frozen=True)
class Turn:
    """Mend one, or list a page; without either, in how many seconds to come again."""

    mend: LostDeliveryRow | None = None
    survey: bool = False
    wait_s: float = 0


@dataclass
class Repair(Channel):
    """`fetches`: webhooks do not get here at all, so that each delivery is fetched."""

    keys: Keys = field(kw_only=True)
    fetches: bool = False
    every_s: float = EVERY_S
    _survey: Survey | None = field(default=None, repr=False)
    # The next page of where the App is installed; None once all were seen.
    _installations: str | None = "/app/installations?per_page=100"

    async def step(self) -> float:
        """One request, if one is due: after how many seconds to come again."""
        turn = await self.store.write(self._turn)
        if turn.mend:
            return await self._mend_safely(turn.mend)
        if turn.survey and self._installations is not None:
            return await self._list_installations(self._installations)
        if turn.survey:
            return await self._list_page()
        return turn.wait_s

    async def release(self) -> None:
        await self.store.write(lambda tx: sender_leases.release(tx, self.me))

    async def _turn(self, tx: Tx) -> Turn:
        timing = self.timing
        if await sender_leases.acquire(tx, APP, self.me, timing.lease, timing.grace) is None:
            self._survey = None
            return Turn(wait_s=min(self.every_s, AGAIN_S))
        now = await tx.now()
        ready = rate_limits.ready_at(await rate_limit_store.of(tx, APP), rate_limits.READ, now)
        if ready > now:
            return Turn(wait_s=(ready - now) / SECOND)
        # The log first: in it may be what was asked for a moment ago.
        if self._survey is not None:
            return Turn(survey=True)
        next_survey = await self._begin_survey(tx, now)
        if self._survey is not None:
            return Turn(survey=True)
        if row := await missed_deliveries.due(tx):
            return Turn(mend=row)
        next_lost = await missed_deliveries.next_at(tx)
        soonest = min(next_survey, next_lost or next_survey)
        return Turn(wait_s=max(soonest - now, 0) / SECOND)

    # --- What is lost ----------------------------------------------------------------------------

    async def _begin_survey(self, tx: Tx, now: int) -> int:
        """When the next one is due: one that is due begins."""
        last = int(await key_values.get(tx, SURVEYED) or 0)
        due = last + int(self.every_s * SECOND)
        if due > now:
            return due
        if last and last < now - WINDOW:
            await _walk_since(tx, last - OVERLAP)
            await key_values.put(tx, SURVEYED, str(now - WINDOW))
        goes_on = await key_values.get(tx, UNDER_SURVEY) != "yes"
        await key_values.put(tx, UNDER_SURVEY, "yes")
        self._survey = Survey(now, max(last - OVERLAP, now - WINDOW), goes_on)
        return due

    async def _list_installations(self, path: str) -> float:
        """Once, at start: of one that is older than the log nobody tells."""
        outcome = await self.ask(APP, Request("GET", path), _is_list)
        if not outcome.answered:
            return _come_again(outcome)
        if outcome.meaning is Meaning.DONE:
            await self.store.write(lambda tx: _apply_installations(tx, self.keys, outcome.data))
        self._installations = next_page(outcome.answer, path)
        return PACE_S

    async def _list_page(self) -> float:
        survey = self._survey
        assert survey is not None
        assert survey.next_page is not None
        outcome = await self.ask(APP, Request("GET", survey.next_page), _is_list)
        if not outcome.answered:
            return _come_again(outcome)
        if outcome.meaning is not Meaning.DONE:
            self._survey = None
            self.trouble = f"its log of deliveries: {outcome.status} {outcome.words}"
            log.warning("GitHub's log cannot be read", why=self.trouble)
            return self.every_s if outcome.meaning is Meaning.MALFORMED else AGAIN_S
        page = [row for each in outcome.data if (row := delivery_log.entry(each)) is not None]
        settled = [
            row
            for row in page
            # What is older was noted by an earlier look, and may have been given up since.
            if row["delivered_at"] >= survey.floor
            and (self.fetches or not survey.is_under_way(row))
        ]
        news = await self.store.write(
            lambda tx: missed_deliveries.record(tx, settled, survey.began)
        )
        if news:
            log.info("deliveries are missing", found=news)
        survey.next_page = next_page(outcome.answer, survey.next_page)
        survey.pages += 1
        oldest = min((row["delivered_at"] for row in page if row["delivered_at"]), default=0)
        # Where every delivery is fetched, what is older than one that is known was seen before.
        seen_before = self.fetches and survey.goes_on and page and not news
        if survey.next_page is None or oldest < survey.floor or seen_before or survey.is_too_long:
            await self.store.write(lambda tx: self._end_survey(tx, survey))
            self._survey = None
        return PACE_S

    async def _end_survey(self, tx: Tx, survey: Survey) -> None:
        await key_values.put(tx, SURVEYED, str(survey.began))
        await key_values.put(tx, UNDER_SURVEY, "no")
        # Where nothing is told, what was looked at last is all that is known.
        limit = int(PULL_IS_LATE * self.every_s * SECOND) + LATE if self.fetches else 0
        await key_values.put(tx, LATE_AFTER, str(limit))

    # --- Brought in ------------------------------------------------------------------------------

    async def _mend_safely(self, row: LostDeliveryRow) -> float:
        try:
            return await self._mend(row)
        except Exception as exc:  # whatever GitHub said of it: the others have their turn
            log.exception("delivery not brought in", guid=row["guid"])
            await self._retry(row, f"{type(exc).__name__}: {exc}")
            return PACE_S

    async def _retry(self, row: LostDeliveryRow, why: str) -> None:
        async def work(tx: Tx) -> None:
            await missed_deliveries.record_request(tx, row, await tx.now() + PATIENCE[-1], why)

        await self.store.write(work)

    async def _mend(self, row: LostDeliveryRow) -> float:
        if await self.store.read(lambda tx: _is_in_inbox(tx, row)):
            await self._forget(row)
            return 0
        if self.fetches or row["attempts"] >= len(PATIENCE):
            return await self._fetch(row)
        outcome = await self.ask(APP, delivery_log.redelivery(row))
        if not outcome.answered:
            return _come_again(outcome)
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
        if not outcome.answered:
            return _come_again(outcome)
        next_step = step(LOGGED_DELIVERY, outcome.meaning, row["attempts"])
        if next_step is Step.GIVE_UP:
            await self.store.write(lambda tx: _give_up(tx, row))
        elif next_step is Step.RETRY:
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


async def _apply_installations(tx: Tx, keys: Keys, listed: list[Json]) -> None:
    read_at = await tx.now()
    for value in listed:
        if maybe_number(at(value, "id")) is None:
            continue
        row = installation_rows.installation(value, read_at=read_at)
        i = row.row["installation_id"]
        unknown = await mirror_rows.installation(tx, i) is None
        wanted = (reads.ALL_REPOSITORIES,) if unknown else ()
        await writer.apply(tx, keys, i, Changes((row,), reads=wanted))


async def _is_in_inbox(tx: Tx, row: LostDeliveryRow) -> bool:
    return await deliveries.get(tx, row["installation_id"], row["guid"]) is not None


async def _receive(tx: Tx, row: LostDeliveryRow, found: deliveries.Delivery) -> None:
    await deliveries.receive(tx, [found])
    await missed_deliveries.remove(tx, row["installation_id"], [row["guid"]])


async def _give_up(tx: Tx, row: LostDeliveryRow) -> None:
    """GitHub has forgotten it: what changed since then must do."""
    log.warning("delivery is lost for good", guid=row["guid"], event_name=row["event"])
    i, repository_id = row["installation_id"], row["repository_id"]
    if repository_id and await mirror_rows.repository_by_id(tx, i, repository_id):
        await backfill.begin(tx, i, repository_id, row["delivered_at"] - OVERLAP)
    elif i:
        await _look_again(tx, i)
    await missed_deliveries.remove(tx, i, [row["guid"]])


async def _walk_since(tx: Tx, since: int) -> None:
    """Nobody listened for longer than GitHub's log goes back."""
    log.warning("the mirror missed more than GitHub's log holds: reading what changed since")
    for installation_id in await mirror_rows.present_installations(tx):
        await _look_again(tx, installation_id)
        await backfill.begin_owner(tx, installation_id)
    for row in await mirror_rows.present_repositories(tx):
        await backfill.begin(tx, row["installation_id"], row["id"], since)


async def _look_again(tx: Tx, installation_id: int) -> None:
    """Its repositories, and what it is itself."""
    await reads.queue(tx, installation_id, reads.ALL_REPOSITORIES)
    await reads.queue(tx, installation_id, reads.installation(installation_id))


def _is_list(data: Json) -> bool:
    return isinstance(data, list)


def _come_again(outcome: Outcome) -> float:
    log.warning("GitHub's log cannot be read", why=outcome.why)
    return AGAIN_S
