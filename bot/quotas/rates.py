"""Quotas of a rate, counted in memory: a call must not pay a statement for being counted.

Each agent and each installation has a bucket for each rate, which empties evenly. A process counts
what it serves itself. With the statement that says every 30 s that an agent is active it learns
what the agent did in other processes, and charges that too, so that over time the rate holds for
all of them together.
"""

import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeAlias

from cachetools import LRUCache

from bot.quotas import table
from bot.quotas.table import DEFAULTS, SMALL_SHARE, Quota

AgentKey: TypeAlias = tuple[int, str]
# Of agents and installations that called last.
KEPT = 50_000


class Rates:
    """`is_open`: nothing is counted, as in a process that serves nobody."""

    def __init__(
        self,
        quotas: Mapping[str, Quota] = DEFAULTS,
        *,
        processes: int = 1,
        is_open: bool = False,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._quotas = quotas
        # What the operator set for single installations, with the rest of the quotas.
        self.own: Mapping[int, Mapping[str, Quota]] = {}
        self.is_open = is_open
        self.now = timer
        self._processes = processes
        # When each bucket would be empty again. One that is not here is empty.
        self._empty_at: LRUCache[Hashable, float] = LRUCache(KEPT)

    def of(self, installation_id: int) -> Mapping[str, Quota]:
        """The quotas in an installation, and of each of its agents."""
        return self.own.get(installation_id, self._quotas)

    def set_own(self, changes: Mapping[int, Mapping[str, Quota]]) -> None:
        """Take the quotas that the operator set for installations in place of those before."""
        self.own = {each: {**self._quotas, **changed} for each, changed in changes.items()}

    def take(self, agent: AgentKey, name: str, n: int = 1, *, of_agent: bool = True) -> None:
        """Count `n` of the agent. Raise Refused, and count nothing, if that is beyond a quota.

        `of_agent` False: another count decides about the agent's own share.
        """
        if self.is_open:
            return
        now, quota = self.now(), self.of(agent[0])[name]
        per_s = quota.per_s or 1
        own = self._level(agent, name, quota.agent, per_s, now)
        if quota.agent is not None:
            if of_agent and own + n > quota.agent:
                raise self._refusal(agent, name, "agent", quota.agent, own + n)
            self._put(agent, name, own + n, quota.agent, per_s, now)
        most = self.most_here(agent[0], name)
        if most is None:
            return
        everybody = self._level(agent[0], name, most, per_s, now)
        is_small = quota.agent is not None and own + n <= quota.agent * SMALL_SHARE
        if everybody + n > most and not is_small:
            if quota.agent is not None:
                self._put(agent, name, own, quota.agent, per_s, now)
            raise self._refusal(agent, name, "installation", most, everybody + n)
        self._put(agent[0], name, everybody + n, most, per_s, now)

    def charge(self, agent: AgentKey, name: str, n: int, since: float) -> None:
        """Count what the agent did in other processes since then, without a refusal."""
        quota = self.of(agent[0])[name]
        if self.is_open or n <= 0 or quota.per_s is None:
            return
        for key, most in ((agent, quota.agent), (agent[0], self.most_here(agent[0], name))):
            if most is not None:
                before = max(self._empty_at.get((key, name), since), since)
                self._empty_at[key, name] = before + n * quota.per_s / most

    def level(self, key: AgentKey | int, name: str) -> tuple[int, float]:
        """How much is used, and the seconds until all of it is free again."""
        here = key[0] if isinstance(key, tuple) else key
        quota = self.of(here)[name]
        most = quota.agent if isinstance(key, tuple) else self.most_here(here, name)
        per_s = quota.per_s or 1
        now = self.now()
        level = self._level(key, name, most, per_s, now)
        return round(level), max(0.0, self._empty_at.get((key, name), now) - now)

    def most_here(self, installation_id: int, name: str) -> int | None:
        """This process's share of an installation's quota, which is at least that of one agent."""
        quota = self.of(installation_id)[name]
        if quota.installation is None:
            return None
        return max(quota.installation // self._processes, quota.agent or 1)

    def _level(self, key: Hashable, name: str, most: int | None, per_s: int, now: float) -> float:
        empty_at = self._empty_at.get((key, name), now)
        # Rounded, because a sum of many fractions is not whole.
        return round(max(0.0, empty_at - now) * most / per_s, 6) if most is not None else 0.0

    def _put(
        self, key: Hashable, name: str, level: float, most: int, per_s: int, now: float
    ) -> None:
        self._empty_at[key, name] = now + level * per_s / most

    def _refusal(
        self, agent: AgentKey, name: str, whose: str, most: int, wanted: float
    ) -> Exception:
        per_s = self.of(agent[0])[name].per_s or 1
        wait_s = (wanted - most) * per_s / most
        return table.refusal(
            name, whose=whose, who=agent[1], most=most, used=min(most, int(wanted)), wait_s=wait_s
        )
