"""Sends the messages that are due: one process sends one, and a row says so before it does."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog

from bot.identity.keyring import Broken, Keys
from bot.notifications import outcomes, targets
from bot.notifications.addresses import check_mail
from bot.notifications.message import Links, Message, of_row
from bot.notifications.outcomes import Failed, Gone, Outcome, Sent
from bot.notifications.rules import Rules
from bot.notifications.smtp import MailServer
from bot.notifications.targets import Address
from bot.notifications.web import Web
from bot.times import SECOND
from store.engine.transaction import Store, Tx
from store.mirror import stored_installations
from store.notifications import notifications
from store.notifications import targets as stored_targets
from store.notifications.notifications import Key
from store.tables.notifications import NotificationRow, NotificationState, NotificationTargetRow

log = structlog.get_logger()

# At once, by one process.
BATCH = 10
# Longer than any attempt takes. After that another process sends the message again.
LEASE = 60 * SECOND
HOUR = 3600 * SECOND


@dataclass(frozen=True)
class Attempt:
    row: NotificationRow
    target: NotificationTargetRow
    message: Message


@dataclass(frozen=True)
class Notifier:
    store: Store
    keys: Keys
    web: Web = field(default_factory=Web)
    mail: MailServer | None = None
    links: Links = field(default_factory=Links)
    # For tests: a process that dies here has sent and not recorded it.
    after_send: Callable[[], None] = lambda: None

    async def step(self) -> int:
        """Send what is due. Return how many attempts there were."""
        due = await self.store.read(lambda tx: notifications.due(tx, BATCH))
        done = await asyncio.gather(*(self._send_one(key) for key in due))
        return sum(done)

    async def _send_one(self, key: Key) -> bool:
        attempt = await self.store.write(partial(self._begin, key=key))
        if attempt is None:
            return False
        outcome = await self.send(attempt.target, attempt.message)
        self.after_send()
        await self.store.write(partial(_record, attempt=attempt, outcome=outcome))
        return True

    async def _begin(self, tx: Tx, key: Key) -> Attempt | None:
        """Take a message that is still due. None if there is a reason to wait."""
        row, now = await notifications.lock(tx, key), await tx.now()
        if row is None or row["state"] not in ("waiting", "sending") or row["not_before"] > now:
            return None
        if row["attempts"] >= outcomes.MOST_ATTEMPTS:
            # Its process ended before it recorded the last attempt.
            await notifications.record(tx, row, "dead", error="it was not known how it ended")
            return None
        i = key["installation_id"]
        target = await stored_targets.get(tx, i, row["target_id"])
        if target is None or target["state"] != "active":
            await notifications.put_off(tx, key, now + LEASE)
            return None
        if (until := await _reason_to_wait(tx, target, row, now)) > now:
            await notifications.put_off(tx, key, until)
            return None
        begun = await notifications.begin_sending(tx, row, now + LEASE)
        account = await account_of(tx, i)
        return Attempt(begun, target, of_row(begun, account, self.links, now // SECOND))

    async def send(self, target: NotificationTargetRow, message: Message) -> Outcome:
        """One attempt, which stores nothing."""
        try:
            address = targets.address_of(self.keys, target)
        except Broken as exc:
            return Failed(f"the stored address cannot be decrypted: {exc}")
        if target["kind"] == "mail":
            return await self._mail(address, message)
        return await self.web.send(target["kind"], address, message)

    async def _mail(self, address: Address, message: Message) -> Outcome:
        if self.mail is None:
            return Failed("HUBBUB_SMTP_HOST is not set on the server")
        return await self.mail.send(check_mail(address.to), message)


async def account_of(tx: Tx, installation_id: int) -> str:
    row = await stored_installations.installation(tx, installation_id)
    return row["account"] if row else str(installation_id)


async def _reason_to_wait(
    tx: Tx, target: NotificationTargetRow, row: NotificationRow, now: int
) -> int:
    """Until when the target gets no more: its ceiling for an hour, and its quiet hours."""
    rules = Rules.model_validate(target["rules"])
    here = (tx, target["installation_id"], target["id"])
    sent = await notifications.sent_since(*here, now - HOUR, rules.per_hour)
    full = sent[-1] + HOUR if len(sent) >= rules.per_hour else now
    passes = bool(row["urgent"]) and rules.urgent_passes
    quiet = None if rules.quiet is None or passes else rules.quiet.end_of(now)
    return max(full, quiet or now)


async def _record(tx: Tx, attempt: Attempt, outcome: Outcome) -> None:
    """Record how it ended, unless another process has begun the next attempt."""
    row, target, now = attempt.row, attempt.target, await tx.now()
    if isinstance(outcome, Sent):
        await notifications.record(tx, row, "sent", error=outcome.note or None)
        return
    log.warning("notification not sent", target=target["name"], reason=outcome.why)
    if isinstance(outcome, Gone):
        await _stop(tx, attempt, outcome.why)
        return
    again = outcomes.next_attempt(outcome, row["attempts"], now)
    state: NotificationState = "dead" if again is None else "waiting"
    await notifications.record(tx, row, state, not_before=again, error=outcome.why)


async def _stop(tx: Tx, attempt: Attempt, why: str) -> None:
    """The target is gone, so nothing is sent to it until a person resumes it."""
    here = (tx, attempt.row["installation_id"], attempt.target["id"])
    await notifications.record(tx, attempt.row, "dead", error=why)
    await stored_targets.set_state(*here, "stopped", why)
    await notifications.give_up_waiting(*here, f"the target was stopped, because {why}")
