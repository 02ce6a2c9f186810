"""The outbox's sender: it decides whose turn it is, for one installation at a time."""

from dataclasses import dataclass

from bot import backfill, budget
from bot.budget import Budget
from bot.events.event import LATER, NOW, SOON
from bot.filling import fill
from bot.line import GRACE, LEASE, Line, budgets_of
from bot.reading import look_up
from bot.sending import fenced_off, only_looks, write_out
from bot.times import SECOND
from store import backfills, pending_reads, senders
from store import writes as outbox
from store.transaction import Row, Tx


@dataclass(frozen=True)
class Turn:
    """What to do now for an installation; without either, in how many seconds to come again."""

    read: Row | None = None
    write: Row | None = None
    # A part of a backfill, for its next page.
    page: Row | None = None
    wait_s: float | None = None


class Sender(Line):
    """The line, with turns: reads that somebody waits for, writes, and in between the rest."""

    async def step(self, installation_id: int) -> float | None:
        """Send one request, if one is due: after how many seconds to come again, if at all."""
        turn = await self.hub.store.write(lambda tx: self._turn(tx, installation_id))
        if turn.read:
            await look_up(self, turn.read)
        elif turn.write:
            await write_out(self, turn.write)
        elif turn.page:
            await fill(self, turn.page)
        if turn.page or (turn.read and turn.read["priority"] == LATER):
            return backfill.PACE_S
        return 0 if turn.read or turn.write else turn.wait_s

    async def release(self) -> None:
        """Give the leases back, at a proper end."""
        await self.hub.store.write(lambda tx: senders.release(tx, self.me))

    async def _turn(self, tx: Tx, installation_id: int) -> Turn:
        lease = await senders.acquire(tx, installation_id, self.me, LEASE, GRACE)
        if lease is None:
            return Turn(wait_s=1)
        now = await tx.now()
        # Turns of an installation are serial: what is being sent now, nobody sends any more.
        await outbox.unsettled(tx, installation_id)
        known = await budgets_of(tx, installation_id)
        open_at = budget.ready_at(known, None, now, mutates=False)
        read = await pending_reads.due(tx, installation_id, NOW)
        if read and open_at <= now:
            return Turn(read=read)
        write = None if read else await outbox.next_due(tx, installation_id)
        mutates = write is not None and not only_looks(write)
        ready = budget.ready_at(known, lease["last_mutation_at"], now, mutates=mutates)
        if write and ready <= now:
            return Turn(write=write) if only_looks(write) else await self._begin(tx, write, now)
        # Writes keep a second's distance: in between there is time to read.
        soon = None if read else await pending_reads.due(tx, installation_id, SOON)
        if soon and open_at <= now:
            return Turn(read=soon)
        waits = [(open_at - now) / SECOND] if read or soon else []
        waits += [(ready - now) / SECOND] if write else []
        return await _spare(tx, installation_id, known, min(waits, default=None))

    async def _begin(self, tx: Tx, write: Row, now: int) -> Turn:
        if why := await fenced_off(tx, write, now):
            await outbox.finish(tx, write, "cancelled", why)
            return Turn(wait_s=0)
        if not await outbox.sending(tx, write):
            return Turn(wait_s=0)
        await senders.mutated(tx, write["installation_id"])
        sent = {"sending_at": now, "attempts": write["attempts"] + 1, "looks": 0}
        return Turn(write=write | sent)


async def _spare(tx: Tx, installation_id: int, known: list[Budget], wait_s: float | None) -> Turn:
    """Nothing is urgent, or must wait: time for backfill, if its share is not spent."""
    read = await pending_reads.due(tx, installation_id, LATER)
    page = None if read else await backfills.due(tx, installation_id)
    if read is None and page is None:
        return Turn(wait_s=wait_s)
    now = await tx.now()
    ready = max(
        budget.ready_at(known, None, now, mutates=False),
        budget.spare_at(known, now, backfill.SHARE),
    )
    if ready <= now:
        return Turn(read=read, page=page)
    later = (ready - now) / SECOND
    return Turn(wait_s=later if wait_s is None else min(wait_s, later))
