"""The loop's step: serves the endpoints with something due, many at once, fair to tenants."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import structlog

from bot.kernel import running_tasks
from bot.protocols.delivery import deliver_next
from bot.protocols.link import Link
from bot.protocols.routing import IN_SERVER
from store.protocols import endpoints
from store.protocols.endpoints import Key
from store.tables.protocols import Protocol

log = structlog.get_logger()

# Endpoints served at once, in all and of one installation.
MOST, MOST_OF_ONE = 40, 8
# Deliveries to one endpoint before others have their turn.
IN_A_ROW = 20


@dataclass
class Courier:
    """`protocols`: those that this process delivers by."""

    link: Link
    protocols: tuple[Protocol, ...] = IN_SERVER
    most: int = MOST
    _running: dict[tuple[int, str], asyncio.Task[None]] = field(default_factory=dict)

    @property
    def is_busy(self) -> bool:
        return bool(self._running)

    async def step(self) -> int:
        """Begin to serve the endpoints that are due and have a place. It does not wait for them."""
        for protocol in self.protocols:
            due = partial(endpoints.due, protocol=protocol, limit=4 * MOST, each=2 * MOST_OF_ONE)
            for key in await self.link.store.read(due):
                self._start(key)
        return 0

    def _start(self, key: Key) -> None:
        which = (key["installation_id"], key["agent_id"])
        of_one = Counter(i for i, _ in self._running)[which[0]]
        if which in self._running or len(self._running) >= self.most or of_one >= MOST_OF_ONE:
            return
        task = asyncio.create_task(self._serve(key))
        self._running[which] = task
        task.add_done_callback(lambda _: self._running.pop(which, None))

    async def _serve(self, key: Key) -> None:
        try:
            for _ in range(IN_A_ROW):
                if not await deliver_next(self.link, key):
                    return
        except Exception:  # the database may be away; the others must go on
            log.exception("endpoint not served", agent=key["agent_id"])

    async def drain(self) -> None:
        """Serve all that is due, and wait for it."""
        await self.step()
        while self._running:
            await asyncio.wait(self._running.values())
            await self.step()

    async def finish(self, timeout_s: float) -> None:
        """Wait for what runs, but not for long. Another process looks after the rest."""
        await running_tasks.finish(self._running.values(), timeout_s)
