"""The background loops of a server, loaded while it answers.

They and what they need take a third of a start.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.dispatch.refusals import Refusals
from bot.inbox.backpressure import Backpressure
from bot.kernel import late_imports
from bot.kernel.operation import Shared
from bot.settings import GitHubApp, Settings
from store.engine.transaction import Store

if TYPE_CHECKING:
    from bot.background.loops import Loops


@dataclass
class LateLoops:
    store: Store
    shared: Shared
    loaded: Settings
    github_app: GitHubApp
    pressure: Backpressure
    refusals: Refusals
    # Called when a loop is given up.
    when_given_up: Callable[[], None] | None = None
    _loops: "Loops | None" = None
    _life: asyncio.Task[None] | None = None
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self, when_ended: Callable[[], None]) -> None:
        """Load and start them beside the caller. `when_ended`: also called if that fails."""
        self._life = asyncio.create_task(self._live())
        self._life.add_done_callback(lambda _: when_ended())

    async def _live(self) -> None:
        module = await late_imports.load("bot.background.server_loops")
        async with module.run(
            self.store, self.shared, self.loaded, self.github_app, self.pressure, self.refusals
        ) as loops:
            loops.supervisor.when_given_up = self.when_given_up
            self._loops = loops
            await self._over.wait()

    def problems(self) -> dict[str, str]:
        """The problems by loop."""
        return self._loops.health() if self._loops else {}

    def given_up(self) -> dict[str, str]:
        """The loops that are not started again."""
        return self._loops.supervisor.given_up if self._loops else {}

    def stop(self) -> None:
        """Start nothing new."""
        self._over.set()
        if self._loops:
            self._loops.stop()

    async def finish(self) -> None:
        """Wait for what runs. Raise why they could not start, which is a bug."""
        self.stop()
        if self._life is None:
            return
        if self._loops is None:
            self._life.cancel()
        with suppress(asyncio.CancelledError):
            await self._life


@asynccontextmanager
async def late_loops(
    store: Store,
    shared: Shared,
    loaded: Settings,
    github_app: GitHubApp,
    pressure: Backpressure,
) -> AsyncIterator[LateLoops]:
    """`start` starts them. They finish at the end."""
    late = LateLoops(store, shared, loaded, github_app, pressure, Refusals(store))
    try:
        yield late
    finally:
        await late.finish()
