"""Decides which request goes to GitHub next, for one installation at a time."""

from dataclasses import dataclass, field, replace

from bot.fetch import backfill
from bot.fetch.backfill_pages import fill
from bot.fetch.fetcher import look_up
from bot.flags.flags import Flags
from bot.flags.known import JOINT_REQUESTS
from bot.github import rate_limit_store, rate_limits, token_buckets
from bot.github.channel import Channel
from bot.github.rate_limits import AGENTS_READ, READ, Limits
from bot.identity.actors import BOT
from bot.identity.keyring import Keys
from bot.mirror import reads
from bot.outbox import effects, fairness, joint_requests
from bot.outbox.joint_requests import Part
from bot.outbox.kinds import KINDS
from bot.outbox.outcomes import Cancelled, Final, is_failure, only_looks
from bot.outbox.sending import carry_out, send_error
from bot.times import SECOND
from store.engine.transaction import Tx
from store.fetch import backfills, pending_reads
from store.mirror import stored_installations
from store.outbox import budgets, due_work, sender_leases, write_attempts, write_order, writes
from store.outbox.due_work import DueWork
from store.tables.fetch import BackfillRow, PendingReadRow
from store.tables.outbox import WriteRow

# When to ask again whether the bot may show something, if nothing else happens meanwhile.
LOOK_AGAIN_AFTER = 30 * SECOND
# After GitHub refused a shared request, Hubbub sends no other for this long.
ALONE_FOR = 3600 * SECOND


@dataclass(frozen=True)
class Turn:
    """The next request of an installation, or in how many seconds to ask again."""

    read: PendingReadRow | None = None
    write: WriteRow | None = None
    # The write and those that share its request.
    parts: tuple[Part, ...] = ()
    # A part of a backfill, of which the next page is fetched.
    page: BackfillRow | None = None
    wait_s: float | None = None


@dataclass(frozen=True)
class Now:
    """What the decision uses. `streak`: turns in a row of people and bookkeeping."""

    installation_id: int
    at: int
    limits: Limits
    streak: int
    due: DueWork

    @property
    def open_at(self) -> int:
        """When the next read may be sent."""
        return rate_limits.ready_at(self.limits, READ, self.at)

    @property
    def spare_at(self) -> int:
        """When a request that nobody waits for may be sent."""
        share = rate_limits.spare_at(self.limits.known, self.at, backfill.SHARE)
        return max(rate_limits.ready_at(self.limits, fairness.SPARE, self.at), share)


@dataclass(frozen=True)
class Share:
    """The bot's part of the hour's writes, and what decides whether it must wait for others."""

    own: int
    total: int
    others_wait: bool
    is_short: bool

    def may_show(self, more: int = 0) -> bool:
        """Whether the bot may show something unasked, after so many more writes of its own."""
        return not fairness.must_wait(
            self.own + more,
            self.total + more,
            others_wait=self.others_wait,
            is_short=self.is_short,
        )


NO_SHARE = Share(0, 0, others_wait=False, is_short=False)


@dataclass(frozen=True)
class Chosen:
    """The next write, and when it may be sent."""

    write: WriteRow | None = None
    ready: int = 0
    share: Share = NO_SHARE


NOTHING = Chosen()


@dataclass
class Sender(Channel):
    """Sends urgent reads first, then writes, and other reads between the writes."""

    keys: Keys = field(kw_only=True)
    flags: Flags = field(kw_only=True, default_factory=Flags)
    # GitHub refused a shared request, so each write goes out alone until then.
    alone_until: int = 0

    async def step(self, installation_id: int) -> float | None:
        """Send a request if one is due. Return in how many seconds to call again; None: no more."""
        turn = await self.store.write(lambda tx: self._turn(tx, installation_id))
        if turn.read:
            await look_up(self, self.keys, turn.read)
        elif turn.parts:
            await self._carry_out_jointly(turn.parts)
        elif turn.write:
            self._count(turn.write, await carry_out(self, self.keys, turn.write))
        elif turn.page:
            await fill(self, self.keys, turn.page)
        if turn.page or (turn.read and turn.read["priority"] == reads.LATER):
            return backfill.PACE_S
        return 0 if turn.read or turn.write else turn.wait_s

    async def _carry_out_jointly(self, parts: tuple[Part, ...]) -> None:
        done = await joint_requests.carry_out(self, parts)
        for part, decision in zip(parts, done.decisions, strict=False):
            self._count(part.write, decision)
        if done.is_refused:
            self.alone_until = await self.store.read(lambda tx: tx.now()) + ALONE_FOR

    def _may_share(self, installation_id: int, now: int) -> bool:
        return now >= self.alone_until and self.flags.is_on(JOINT_REQUESTS, installation_id)

    def _count(self, write: WriteRow, decision: Final | None) -> None:
        """Count how a write ended that may share its request, for the flag."""
        counts = decision is not None and joint_requests.is_first_attempt(write)
        if decision is not None and counts and (is_error := is_failure(decision)) is not None:
            self.flags.count(JOINT_REQUESTS, write["installation_id"], is_error=is_error)

    async def _turn(self, tx: Tx, installation_id: int) -> Turn:
        # Most turns find nothing, or work of one sort, and each sort costs statements of its own.
        if not (due := await due_work.of(tx, installation_id)):
            return Turn()
        lease = await sender_leases.acquire(
            tx, installation_id, self.me, self.timing.lease, self.timing.grace
        )
        if lease is None:
            return Turn(wait_s=1)
        # Only one process sends for an installation: what is still `sending` was interrupted.
        if due.writes:
            await write_attempts.mark_interrupted(tx, installation_id)
        state = await rate_limit_store.of(tx, installation_id, lease)
        now = Now(installation_id, await tx.now(), state, lease["streak"], due)
        read = await _due_read(tx, now, reads.NOW)
        if read and now.open_at <= now.at:
            return Turn(read=read)
        chosen = NOTHING if read else await _next_write(tx, now)
        if chosen.write and chosen.ready <= now.at:
            keys = self.keys if self._may_share(installation_id, now.at) else None
            return await _start_write(tx, keys, chosen, now)
        # Writes are spaced. Reads use the time between two writes.
        soon, soon_at = (None, now.at) if read else await _next_read(tx, now)
        if soon and soon_at <= now.at:
            return Turn(read=soon)
        waits = [now.open_at if read else soon_at] if read or soon else []
        waits += [chosen.ready] if chosen.write else []
        return await _spare(tx, now, waits)


async def _due_read(tx: Tx, now: Now, priority: int) -> PendingReadRow | None:
    if priority not in now.due.reads:
        return None
    return await pending_reads.due(tx, now.installation_id, priority)


async def _next_read(tx: Tx, now: Now) -> tuple[PendingReadRow | None, int]:
    """The next read that is not urgent, and when it may be sent. Agents' reads leave a reserve."""
    first = await _due_read(tx, now, reads.SOON)
    if first is None or not first["asker"]:
        return first, now.open_at
    agents_at = rate_limits.ready_at(now.limits, AGENTS_READ, now.at)
    if agents_at <= now.at:
        return first, agents_at
    ours = await pending_reads.due(tx, now.installation_id, reads.SOON, of_agents=False)
    return (ours, now.open_at) if ours else (first, agents_at)


async def _next_write(tx: Tx, now: Now) -> Chosen:
    """The next write. If none may be sent now, it is the one that is due first."""
    if not now.due.writes:
        return NOTHING
    first = await write_order.next_of_each(
        tx, now.installation_id, fairness.ON_GRAPHQL, fairness.SHOWS
    )
    if not first or await stored_installations.is_suspended(tx, now.installation_id):
        return NOTHING
    authors = {each["author"] for each in first}
    own, total = await budgets.spent_this_hour(tx, now.installation_id, BOT)
    is_short = rate_limits.is_short(now.limits, now.at)
    share = Share(own, total, others_wait=authors != {BOT}, is_short=is_short)
    last = await budgets.last_turns(tx, now.installation_id, sorted(authors))
    soonest = NOTHING
    for each in fairness.in_order(first, last, now.streak):
        write = await writes.by_seq(tx, now.installation_id, each["seq"])
        if write is None or write["kind"] not in KINDS:
            continue  # a process of a newer version sends it
        ready = rate_limits.ready_at(now.limits, fairness.cost(write), now.at)
        if fairness.is_own(write) and not share.may_show():
            ready = max(ready, now.at + LOOK_AGAIN_AFTER)
        if soonest.write is None or ready < soonest.ready:
            soonest = Chosen(write, ready, share)
        if ready <= now.at:
            break
    return soonest


async def _start_write(tx: Tx, keys: Keys | None, chosen: Chosen, now: Now) -> Turn:
    """Record the write as `sending`, with its cost, before it is sent, and what goes along.

    Without `keys` nothing goes along.
    """
    write = chosen.write
    assert write is not None
    if only_looks(write):
        return Turn(write=write)
    if why := await send_error(tx, write, now.at):
        await effects.apply(tx, write, Cancelled(why))
        return Turn(wait_s=0)
    if await KINDS[write["kind"]].changes_nothing(tx, write):
        await write_attempts.finish(tx, write, "superseded", {})
        return Turn(wait_s=0)
    if (sent := await _mark_sending(tx, write, now)) is None:
        return Turn(wait_s=0)
    streak = now.streak + 1 if write["lane"] == writes.PEOPLE else 0
    await sender_leases.record_turn(tx, now.installation_id, streak)
    if keys is None or not joint_requests.may_share(write, now.limits, now.at):
        return Turn(write=sent)
    return Turn(write=sent, parts=await _parts(tx, keys, sent, now, chosen.share))


async def _mark_sending(tx: Tx, write: WriteRow, now: Now) -> WriteRow | None:
    """Mark a write as sending, and spend its cost. None if it was cancelled."""
    if not await write_attempts.mark_sending(tx, write):
        return None
    here = (tx, now.installation_id)
    await sender_leases.record_mutation(*here, notifies=KINDS[write["kind"]].notifies)
    await rate_limit_store.spend(*here, fairness.cost(write))
    await budgets.spend(*here, write["author"])
    return {**write, "sending_at": now.at, "attempts": write["attempts"] + 1, "looks": 0}


async def _parts(tx: Tx, keys: Keys, first: WriteRow, now: Now, share: Share) -> tuple[Part, ...]:
    """The write and those that share its request, marked as sending. Empty if none does."""
    candidates = await joint_requests.candidates(tx, now.installation_id, now.at)
    leading = await joint_requests.part(tx, keys, first) if candidates else None
    if leading is None:
        return ()
    found = [leading]
    limits = _after(replace(now.limits, last_mutation_at=0), first, now)
    for each in candidates:
        if len(found) == joint_requests.MOST or not _has_room(limits, each, now):
            break
        if fairness.is_own(each) and not share.may_show(len(found)):
            continue
        if not _may_join(each, found):
            continue
        if await KINDS[each["kind"]].changes_nothing(tx, each):
            continue
        joining = await joint_requests.part(tx, keys, each)
        sent = await _mark_sending(tx, each, now) if joining else None
        if joining and sent:
            found.append(joining.of(sent))
            limits = _after(limits, each, now)
    return tuple(found) if len(found) > 1 else ()


def _after(limits: Limits, write: WriteRow, now: Now) -> Limits:
    """The limits after this write."""
    spent = token_buckets.allowances_after(limits.full_at, fairness.cost(write), now.at)
    return replace(limits, full_at={**limits.full_at, **spent})


def _has_room(limits: Limits, write: WriteRow, now: Now) -> bool:
    """Whether the limits allow one mutation more in the same request."""
    cost = replace(fairness.cost(write), resource=joint_requests.COST.resource, notifies=False)
    return rate_limits.ready_at(limits, cost, now.at) <= now.at


def _may_join(write: WriteRow, parts: list[Part]) -> bool:
    """At most one write of a request notifies people, because those are spaced further apart."""
    return not KINDS[write["kind"]].notifies or not any(
        KINDS[each.write["kind"]].notifies for each in parts
    )


async def _spare(tx: Tx, now: Now, waits: list[int]) -> Turn:
    """Nothing urgent may be sent now, so backfill gets the turn, within its share."""
    read = await _due_read(tx, now, reads.LATER)
    has_page = now.due.backfill and read is None
    page = await backfills.due(tx, now.installation_id) if has_page else None
    if (read or page) and now.spare_at <= now.at:
        return Turn(read=read, page=page)
    if read or page:
        waits = [*waits, now.spare_at]
    return Turn(wait_s=(min(waits) - now.at) / SECOND if waits else None)
