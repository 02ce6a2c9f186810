"""What answers handed over, such as messages. It counts as received when the agent calls again."""

from cachetools import Cache, TTLCache

from bot.dispatch.callers import Caller
from bot.identity.actors import Actor, ActorKey
from bot.kernel.operation import Handover
from store.engine.transaction import Store, Tx

# An agent that calls no more within this time is gone. Its messages come again in any case.
KEPT_S = 3600


class Handovers:
    def __init__(self, store: Store) -> None:
        self.store = store
        self._sent: Cache[ActorKey, list[Handover]] = TTLCache(10_000, KEPT_S)

    async def confirm(self, actor: Actor) -> None:
        """Mark what the answers before handed over as received."""
        if received := self._sent.pop(actor.key, None):
            await self.store.write(lambda tx: _confirm_all(tx, received))

    async def end(self, actor: Actor, caller: Caller, made: list[Handover]) -> None:
        """Remember what the answer hands over, or take it back if the caller is gone."""
        if not made:
            return
        if caller.cancelled or caller.is_gone():
            await self.store.write(lambda tx: _take_all_back(tx, made))
        else:
            self._sent.setdefault(actor.key, []).extend(made)


async def _confirm_all(tx: Tx, received: list[Handover]) -> None:
    for each in received:
        await each.confirm(tx)


async def _take_all_back(tx: Tx, lost: list[Handover]) -> None:
    for each in lost:
        await each.take_back(tx)
