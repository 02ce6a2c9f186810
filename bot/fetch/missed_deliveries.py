"""Repair: what GitHub sent and the inbox never got, found in GitHub's log and brought in.

GitHub never sends again by itself. It keeps a log of three days; what is lost in it is asked for
again, or fetched. Before that there is only the time: what changed since then is walked.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import structlog

from bot.fetch import backfill
from bot.github import limits, rate_limits, webhook_payloads
from bot.github.channel import APP, Channel, message_of
from bot.github.client import Answer, OutcomeUnknown, TokenRefused, Unreachable, onward
from bot.github.payloads import Json, at, maybe_number, text, time
from bot.github.requests import Request
from bot.identity.keyring import Keys
from bot.mirror import reads, writer
from bot.mirror.changes import Changes
from bot.mirror.rows import installations
from bot.times import SECOND
from store.engine import key_values
from store.engine.transaction import Row, Tx
from store.inbox import deliveries, missed_deliveries
from store.mirror import mirror_rows as stored
from store.mirror.freshness import LATE_AFTER, SURVEYED
from store.outbox import sender_leases
from store.tables.inbox import LostDeliveryRow

log = structlog.get_logger()

# How far back GitHub's log goes, less what clocks may differ by.
WINDOW = (3 * 24 * 3600 - 600) * SECOND
# A delivery may enter the log late; and what came just now may be on its way into the inbox.
OVERLAP = 600 * SECOND
UNDER_WAY = 15 * SECOND
EVERY_S = 300.0
# Seconds between two requests; more between those that make GitHub send something.
PACE_S = 0.1
ASKING_PACE_S = 1.0
# After asking for a delivery: until when it should have come. Then it is fetched.
PATIENCE = (60 * SECOND, 300 * SECOND)
# After GitHub could not be used.
AGAIN_S = 30.0
LOG = "/app/hook/deliveries"
MOST_PAGES = 5_000
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
class Survey:
    """A walk through the log, newest first. `floor`: no further back than this."""

    began: int
    floor: int
    # Whether the one before it ended: only then is what is older than something known, known.
    goes_on: bool
    next_page: str | None = f"{LOG}?per_page=100"
    pages: int = 0

    @property
    def is_long(self) -> bool:
        """Longer than any log of three days: this one has no end."""
        return self.pages >= MOST_PAGES


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
        try:
            if turn.mend:
                return await self._tried(turn.mend)
            if turn.survey and self._installations is not None:
                return await self._list_installations(self._installations)
            if turn.survey:
                return await self._list_page()
        except (Unreachable, OutcomeUnknown, TokenRefused) as exc:
            log.warning("GitHub's log cannot be read", why=str(exc))
            return AGAIN_S
        return turn.wait_s

    async def release(self) -> None:
        await self.store.write(lambda tx: sender_leases.release(tx, self.me))

    async def _turn(self, tx: Tx) -> Turn:
        timing = self.timing
        if await sender_leases.acquire(tx, APP, self.me, timing.lease, timing.grace) is None:
            self._survey = None
            return Turn(wait_s=min(self.every_s, AGAIN_S))
        now = await tx.now()
        ready = rate_limits.ready_at(await limits.of(tx, APP), rate_limits.READ, now)
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
        answer = await self.request(APP, Request("GET", path))
        if answer.status == 200 and isinstance(answer.data, list):
            await self.store.write(lambda tx: _installed(tx, self.keys, answer.data))
        self._installations = onward(answer, path)
        return PACE_S

    async def _list_page(self) -> float:
        survey = self._survey
        assert survey is not None
        assert survey.next_page is not None
        answer = await self.request(APP, Request("GET", survey.next_page))
        if _refused(answer) or not isinstance(answer.data, list):
            self._survey = None
            self.trouble = f"its log of deliveries: {answer.status} {message_of(answer)}"
            log.warning("GitHub's log cannot be read", why=self.trouble)
            return AGAIN_S if answer.status != 200 else self.every_s
        page = [row for each in answer.data if (row := _logged(each)) is not None]
        settled = [
            row
            for row in page
            # What is older was noted by an earlier look, and may have been given up since.
            if row["delivered_at"] >= survey.floor
            and (self.fetches or not _under_way(row, survey.began))
        ]
        news = await self.store.write(
            lambda tx: missed_deliveries.record(tx, settled, survey.began)
        )
        if news:
            log.info("deliveries are missing", found=news)
        survey.next_page = onward(answer, survey.next_page)
        survey.pages += 1
        oldest = min((row["delivered_at"] for row in page if row["delivered_at"]), default=0)
        # Where every delivery is fetched, what is older than one that is known was seen before.
        seen_before = self.fetches and survey.goes_on and page and not news
        if survey.next_page is None or oldest < survey.floor or seen_before or survey.is_long:
            await self.store.write(lambda tx: self._surveyed(tx, survey))
            self._survey = None
        return PACE_S

    async def _surveyed(self, tx: Tx, survey: Survey) -> None:
        await key_values.put(tx, SURVEYED, str(survey.began))
        await key_values.put(tx, UNDER_SURVEY, "no")
        # Where nothing is told, what was looked at last is all that is known.
        limit = int(PULL_IS_LATE * self.every_s * SECOND) + LATE if self.fetches else 0
        await key_values.put(tx, LATE_AFTER, str(limit))

    # --- Brought in ------------------------------------------------------------------------------

    async def _tried(self, row: LostDeliveryRow) -> float:
        try:
            return await self._mend(row)
        except (Unreachable, OutcomeUnknown, TokenRefused):
            raise
        except Exception as exc:  # whatever GitHub said of it: the others have their turn
            log.exception("delivery not brought in", guid=row["guid"])
            await self._later(row, f"{type(exc).__name__}: {exc}")
            return PACE_S

    async def _later(self, row: LostDeliveryRow, why: str) -> None:
        async def later(tx: Tx) -> None:
            await missed_deliveries.record_request(tx, row, await tx.now() + PATIENCE[-1], why)

        await self.store.write(later)

    async def _mend(self, row: LostDeliveryRow) -> float:
        if await self.store.read(lambda tx: _arrived(tx, row)):
            await self._forget(row)
            return 0
        if self.fetches or row["attempts"] >= len(PATIENCE):
            return await self._fetch(row)
        path = f"{LOG}/{row['delivery_id']}/attempts"
        answer = await self.request(APP, Request("POST", path))
        if _limited(answer):
            return PACE_S
        why = None if answer.status == 202 else f"{answer.status}: {message_of(answer)}"
        wait = 0 if why else PATIENCE[row["attempts"]]

        async def asked(tx: Tx) -> None:
            await missed_deliveries.record_request(tx, row, await tx.now() + wait, why)

        await self.store.write(asked)
        return ASKING_PACE_S

    async def _fetch(self, row: LostDeliveryRow) -> float:
        answer = await self.request(APP, Request("GET", f"{LOG}/{row['delivery_id']}"))
        if _limited(answer):
            return PACE_S
        payload = _payload(answer)
        if payload is not None:
            body = json.dumps(payload).encode()
            found = webhook_payloads.delivery(row["guid"], row["event"], body, payload)
            await self.store.write(lambda tx: _receive(tx, row, found))
        elif answer.status in (200, 404, 410):
            await self.store.write(lambda tx: _given_up(tx, row))
        else:
            await self._later(row, f"{answer.status}: {message_of(answer)}")
        return PACE_S

    async def _forget(self, row: LostDeliveryRow) -> None:
        await self.store.write(
            lambda tx: missed_deliveries.remove(tx, row["installation_id"], [row["guid"]])
        )


async def _installed(tx: Tx, keys: Keys, listed: list[Json]) -> None:
    read_at = await tx.now()
    for value in listed:
        if maybe_number(at(value, "id")) is None:
            continue
        row = installations.installation(value, read_at=read_at)
        i = row.row["installation_id"]
        unknown = await stored.installation(tx, i) is None
        wanted = (reads.ALL_REPOSITORIES,) if unknown else ()
        await writer.apply(tx, keys, i, Changes((row,), reads=wanted))


async def _arrived(tx: Tx, row: LostDeliveryRow) -> bool:
    return await deliveries.get(tx, row["installation_id"], row["guid"]) is not None


async def _receive(tx: Tx, row: LostDeliveryRow, found: deliveries.Delivery) -> None:
    await deliveries.receive(tx, [found])
    await missed_deliveries.remove(tx, row["installation_id"], [row["guid"]])


async def _given_up(tx: Tx, row: LostDeliveryRow) -> None:
    """GitHub has forgotten it: what changed since then must do."""
    log.warning("delivery is lost for good", guid=row["guid"], event_name=row["event"])
    i, repository_id = row["installation_id"], row["repository_id"]
    if repository_id and await stored.repository_by_id(tx, i, repository_id):
        await backfill.begin(tx, i, repository_id, row["delivered_at"] - OVERLAP)
    elif i:
        await _look_again(tx, i)
    await missed_deliveries.remove(tx, i, [row["guid"]])


async def _walk_since(tx: Tx, since: int) -> None:
    """Nobody listened for longer than GitHub's log goes back."""
    log.warning("the mirror missed more than GitHub's log holds: reading what changed since")
    for installation_id in await stored.present_installations(tx):
        await _look_again(tx, installation_id)
        await backfill.begin_owner(tx, installation_id)
    for row in await stored.present_repositories(tx):
        await backfill.begin(tx, row["installation_id"], row["id"], since)


async def _look_again(tx: Tx, installation_id: int) -> None:
    """Its repositories, and what it is itself."""
    await reads.queue(tx, installation_id, reads.ALL_REPOSITORIES)
    await reads.queue(tx, installation_id, reads.installation(installation_id))


def _logged(value: Json) -> Row | None:
    delivery_id, guid = maybe_number(at(value, "id")), text(at(value, "guid"), 80)
    if delivery_id is None or not guid:
        return None
    return {
        "installation_id": maybe_number(at(value, "installation_id")) or 0,
        "guid": guid,
        "delivery_id": delivery_id,
        "repository_id": maybe_number(at(value, "repository_id")),
        "event": text(at(value, "event"), 80),
        "action": text(at(value, "action"), 80),
        "delivered_at": time(at(value, "delivered_at")),
    }


def _under_way(row: Row, now: int) -> bool:
    return bool(row["delivered_at"] > now - UNDER_WAY)


def _payload(answer: Answer) -> dict[str, Any] | None:
    found = at(answer.data, "request", "payload") if answer.status == 200 else None
    return found if isinstance(found, dict) else None


def _limited(answer: Answer) -> bool:
    return rate_limits.limited(answer.status, answer.headers, message_of(answer))


def _refused(answer: Answer) -> bool:
    return answer.status != 200 or _limited(answer)
