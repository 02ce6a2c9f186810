"""Carry out one write: send it, look for it when its outcome is unknown, and store what follows.

`bot.outbox.outcomes` decides; this module only asks GitHub and the store.
"""

from dataclasses import replace
from typing import Any

import structlog

from bot.comments import authorship
from bot.github.channel import Channel
from bot.github.outcomes import Meaning, Outcome
from bot.github.payloads import at, maybe_number
from bot.github.requests import Request
from bot.identity.keyring import Keys
from bot.outbox import effects, kinds, outcomes, refusals, send_spans, stopped, verification
from bot.outbox.kinds import Kind, Sending
from bot.outbox.outcomes import (
    Cancelled,
    Decision,
    Explain,
    Final,
    Look,
    PutOff,
    Refused,
    Send,
    Sent,
)
from bot.tasks import lifecycle
from bot.times import SECOND
from store.engine.transaction import Tx
from store.mirror import stored_repositories
from store.outbox import sender_leases, write_history, writes
from store.tables.outbox import WriteRow
from store.tasks import leases

log = structlog.get_logger()

# These kinds make something that other requests name. GitHub may need so long to know it.
MAKES = ("branch", "commit", "issue", "pull")
NOT_KNOWN_YET = 60 * SECOND


async def carry_out(channel: Channel, keys: Keys, write: WriteRow) -> Final | None:
    """What was decided. None if another process may have taken over."""
    with (
        send_spans.of_write(write) as span,
        structlog.contextvars.bound_contextvars(write=write["id"]),
    ):
        decision = await _carry_out(channel, keys, write)
        send_spans.add_outcome(span, decision)
        return decision


async def _carry_out(channel: Channel, keys: Keys, write: WriteRow) -> Final | None:
    kind = kinds.KINDS[write["kind"]]
    sending = await channel.store.read(lambda tx: _load(tx, channel, keys, write))
    if sending is None:
        return None
    decision = outcomes.begin(kind, sending)
    while isinstance(decision, Send | Look | Explain):
        match decision:
            case Send():
                decision = await _send(channel, keys, kind, sending)
            case Look():
                decision = await verification.look(channel, kind, sending, decision)
            case Explain():
                decision = await _explain(channel, kind, sending, decision)
    if isinstance(decision, PutOff) and decision.why:
        log.warning("write put off", kind=write["kind"], why=decision.why)
    final = decision
    await channel.store.write(lambda tx: effects.apply(tx, write, final))
    return final


async def _load(tx: Tx, channel: Channel, keys: Keys, write: WriteRow) -> Sending | None:
    """None if this process was held up for so long that another may have taken over."""
    here = write["installation_id"]
    if not await sender_leases.holds(tx, here, channel.me, channel.timing.send_within):
        return None
    return await of(tx, keys, write)


async def of(tx: Tx, keys: Keys, write: WriteRow) -> Sending:
    """The write with all that its request needs from the database."""
    here = write["installation_id"]
    name = await stored_repositories.repository_name(tx, here, write["repository_id"])
    after = write["arguments"].get("after")
    before = await writes.get(tx, here, after) if after else None
    return Sending(
        write,
        name or "unknown/unknown",
        keys,
        known=await kinds.KINDS[write["kind"]].stored_values(tx, write),
        before=(before and before["result"]) or {},
        predecessor=before,
        follows_own=await write_history.has_sent(
            tx, here, write["author"], MAKES, await tx.now() - NOT_KNOWN_YET
        ),
        bot=await authorship.bot_id(tx),
    )


async def send_error(tx: Tx, write: WriteRow, now: int) -> dict[str, Any] | None:
    """Why a write must not be sent any more, or None."""
    return await fence_error(tx, write, now) or await stopped.stop_error(tx, write)


async def fence_error(tx: Tx, write: WriteRow, now: int) -> dict[str, Any] | None:
    """Why a fenced write must not be sent any more, or None."""
    if write["lease_id"] is None:
        return None
    lease = await leases.get(tx, write["installation_id"], write["lease_id"])
    overdue = lease is not None and lease["state"] == "held" and leases.is_expired(lease, now)
    if lease is not None and lease["state"] in leases.PROPER and not overdue:
        return None
    how = "expired" if lease is None or overdue else lease["state"]
    return lifecycle.lost_lease_error(write["lease_id"], how)


async def _send(channel: Channel, keys: Keys, kind: Kind, sending: Sending) -> Decision:
    if reads := kind.prepare(sending):
        prepared = await _prepare(channel, keys, kind, sending, reads)
        if not isinstance(prepared, Sending):
            return prepared
        sending = prepared
        if (result := kind.needless(sending)) is not None:
            return Sent(result)
    outcome = await channel.ask(
        sending.write["installation_id"],
        kind.request(sending),
        lambda data: outcomes.is_complete(kind.result(data)),
    )
    await _learn_bot(channel, sending, outcome)
    return outcomes.decide(kind, sending, outcome)


async def _learn_bot(channel: Channel, sending: Sending, outcome: Outcome) -> None:
    """Store the id of our bot user, from GitHub's answer to the first text that Hubbub wrote."""
    if sending.bot is not None or outcome.meaning is not Meaning.DONE:
        return
    user_id = maybe_number(at(outcome.data, "user", "id"))
    if user_id is not None and sending.is_mine(outcome.data):
        await channel.store.write(lambda tx: authorship.record_bot(tx, user_id))


async def _prepare(
    channel: Channel, keys: Keys, kind: Kind, sending: Sending, reads: list[Request]
) -> Sending | Decision:
    """Ask GitHub what the request needs. A decision if the write is not sent now."""
    found: list[Any] = []
    here = sending.write["installation_id"]
    for each in reads:
        outcome = await channel.ask_next(here, each, kind.fits_prepared)
        if outcome.meaning is Meaning.DONE:
            found.append(outcome.data)
        elif outcome.status == 404 and each is not reads[-1]:
            found.append(None)
        else:
            return outcomes.decide_unprepared(kind, sending, outcome)
    return await channel.store.read(
        lambda tx: _check_again(tx, channel, keys, sending.write, tuple(found))
    )


async def _check_again(
    tx: Tx, channel: Channel, keys: Keys, write: WriteRow, prepared: tuple[Any, ...]
) -> Sending | Decision:
    """Whether the write may still go out after the reads."""
    if (error := await send_error(tx, write, await tx.now())) is not None:
        return Cancelled(error)
    if await stopped.pause_reason(tx, write):
        return PutOff("queued", SECOND, give_back=True)
    sending = await _load(tx, channel, keys, write)
    return replace(sending, prepared=prepared) if sending else PutOff("queued", SECOND)


async def _explain(channel: Channel, kind: Kind, sending: Sending, decision: Explain) -> Refused:
    """Add to the error how things are now. Without an answer the error says less."""
    request = kind.explain(sending)
    assert request is not None
    outcome = await channel.ask_next(sending.write["installation_id"], request)
    found = kind.state_of(outcome.data) if outcome.meaning is Meaning.DONE else {}
    state = {name: value for name, value in found.items() if value is not None}
    return Refused(refusals.error_body(kind, decision.refusal, state))
