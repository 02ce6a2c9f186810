"""The outbox's sender: it decides whose turn it is, for one installation at a time."""

from dataclasses import dataclass

from bot import budget
from bot.events.event import NOW, SOON
from bot.line import GRACE, LEASE, Line, budgets_of
from bot.reading import look_up
from bot.sending import fenced_off, only_looks, write_out
from bot.times import SECOND
from store import pending_reads, senders
from store import writes as outbox
from store.transaction import Row, Tx


@dataclass(frozen=True)
class Turn:
    """What to do now for an installation; without either, in how many seconds to come again."""

    read: Row | None = None
    write: Row | None = None
    wait_s: float | None = None


class Sender(Line):
    """The line, with turns: reads first, then writes in their order."""

    async def step(self, installation_id: int) -> float | None:
        """Send one request, if one is due: after how many seconds to come again, if at all."""
        turn = await self.hub.store.write(lambda tx: self._turn(tx, installation_id))
        if turn.read:
            await look_up(self, turn.read)
        elif turn.write:
            await write_out(self, turn.write)
        else:
            return turn.wait_s
        return 0

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
        read = await pending_reads.due(tx, installation_id, NOW)
        read = read or await pending_reads.due(tx, installation_id, SOON)
        write = None if read else await outbox.next_due(tx, installation_id)
        if read is None and write is None:
            return Turn()
        mutates = write is not None and not only_looks(write)
        known = await budgets_of(tx, installation_id)
        ready = budget.ready_at(known, lease["last_mutation_at"], now, mutates=mutates)
        if ready > now:
            return Turn(wait_s=(ready - now) / SECOND)
        if write is None:
            return Turn(read=read)
        return Turn(write=write) if only_looks(write) else await self._begin(tx, write, now)

    async def _begin(self, tx: Tx, write: Row, now: int) -> Turn:
        if why := await fenced_off(tx, write, now):
            await outbox.finish(tx, write, "cancelled", why)
            return Turn(wait_s=0)
        if not await outbox.sending(tx, write):
            return Turn(wait_s=0)
        await senders.mutated(tx, write["installation_id"])
        sent = {"sending_at": now, "attempts": write["attempts"] + 1, "looks": 0}
        return Turn(write=write | sent)
