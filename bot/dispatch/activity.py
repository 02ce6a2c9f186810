"""Which agents are active: written now and then, with their leases renewed and their calls counted.

The same statement tells what an agent did in other processes, for its quotas.
"""

import time
from collections.abc import Callable
from typing import TypeAlias

from cachetools import Cache, LRUCache, TLRUCache

from bot.identity.actors import Actor, ActorKey
from bot.quotas.rates import Rates
from store.agents import agents
from store.agents.agents import Done
from store.engine.transaction import Store, Tx
from store.identity import credentials
from store.tasks import leases

# The activity of an agent is written, and its leases are renewed, at most this often. An agent with
# a short lease has it renewed after a quarter of its time.
TOUCH_EVERY_S = 30.0
SHARE_OF_LEASE = 4
# The agents whose activity was written just now, with the seconds until the next time.
Touched: TypeAlias = Cache[ActorKey, float]


def touched_agents(timer: Callable[[], float] = time.monotonic) -> Touched:
    return TLRUCache(10_000, lambda _agent, seconds, now: now + seconds, timer)


class Activity:
    """What agents do in this process. People are not counted."""

    def __init__(self, store: Store, rates: Rates, touched: Touched | None = None) -> None:
        self.store = store
        self.rates = rates
        self.touched = touched_agents() if touched is None else touched
        # What each agent did since its activity was written.
        self._done: Cache[ActorKey, Done] = LRUCache(10_000)
        # What the database counted of each agent when its activity was written last, and when.
        self._totals: Cache[ActorKey, tuple[Done, float]] = LRUCache(10_000)

    def count_call(self, actor: Actor) -> None:
        self._add(actor, Done(1, 0))

    def count_bytes(self, actor: Actor, n: int) -> None:
        """Count what the agent sent to be kept."""
        self._add(actor, Done(0, n))

    def _add(self, actor: Actor, more: Done) -> None:
        if not actor.is_person:
            before = self._done.get(actor.key, Done(0, 0))
            self._done[actor.key] = Done(before.calls + more.calls, before.stored + more.stored)

    async def touch(self, actor: Actor) -> None:
        """Write that the agent is active and renew its leases, unless this was done just now."""
        agent = actor.key
        if actor.is_person or actor.key_in_reach in self.touched:
            return

        async def work(tx: Tx) -> float:
            now = await tx.now()
            renewed = await leases.renew(tx, *agent, now, actor.repositories)
            totals.append(await agents.touch(tx, *agent, now, done))
            await credentials.touch(tx, actor.credential, now)
            shortest = await leases.shortest_s(tx, *agent) if renewed else None
            return min(TOUCH_EVERY_S, shortest / SHARE_OF_LEASE) if shortest else TOUCH_EVERY_S

        totals: list[Done | None] = []
        done = self._done.pop(agent, Done(0, 0))
        self.touched[actor.key_in_reach] = await self.store.write(work)
        self._charge_elsewhere(agent, done, totals[-1])

    def touch_again(self, actor: Actor) -> None:
        """Let the next call write it: a lease may have become shorter than those before."""
        self.touched.pop(actor.key_in_reach, None)

    def _charge_elsewhere(self, agent: ActorKey, done: Done, total: Done | None) -> None:
        """Count what the agent did in other processes since its activity was written last."""
        before, now = self._totals.get(agent), self.rates.now()
        if total is None:
            return  # it is not registered
        self._totals[agent] = (total, now)
        if before is not None:
            was, since = before
            others = (total.calls - was.calls - done.calls, total.stored - was.stored - done.stored)
            self.rates.charge(agent, "calls_a_minute", others[0], since)
            self.rates.charge(agent, "bytes_a_day", others[1], since)
