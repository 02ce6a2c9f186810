"""A sender that crashes at a step, as by kill -9: only what it stored and sent is left.

A step is a transaction that writes, or a request. A crash before a step leaves the same as a crash
after the step before, so each crash point is `after` some number of steps. A transaction that only
reads leaves nothing, so it is no step.
"""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from bot.background.request_scheduler import Sender
from bot.dispatch.dispatcher import Dispatcher
from bot.github.client import GitHub
from bot.github.requests import Answer
from store.engine.transaction import PoolUse, Store, Work

T = TypeVar("T")


class Crash(BaseException):
    """No `except Exception` catches it."""


@dataclass
class CrashPlan:
    """Crash `after` this many steps, or never.

    `look` returns what a crash at this moment would leave. `left` collects that after each step.
    """

    after: int | None = None
    look: Callable[[], Awaitable[Hashable]] | None = None
    steps: int = 0
    left: list[Hashable] = field(default_factory=list)

    async def step(self, work: Awaitable[T]) -> T:
        try:
            return await work
        finally:
            self.steps += 1
            if self.look:
                self.left.append(await self.look())
            if self.steps == self.after:
                raise Crash


@dataclass
class CrashingStore:
    crash_plan: CrashPlan
    store: Store

    def __post_init__(self) -> None:
        self.bell, self.dialect = self.store.bell, self.store.dialect

    async def read(self, work: Work[Any]) -> Any:
        return await self.store.read(work)

    async def write(self, work: Work[Any]) -> Any:
        return await self.crash_plan.step(self.store.write(work))

    def pool(self) -> PoolUse:
        return self.store.pool()

    async def close(self) -> None:
        await self.store.close()


@dataclass
class CrashingGitHub:
    crash_plan: CrashPlan
    github: GitHub

    def __post_init__(self) -> None:
        self.time_out = self.github.time_out

    async def request(self, *given: Any) -> Answer:
        return await self.crash_plan.step(self.github.request(*given))

    async def app_request(self, *given: Any) -> Answer:
        return await self.crash_plan.step(self.github.app_request(*given))


def crashing_sender(dispatcher: Dispatcher, github: GitHub, crash_plan: CrashPlan) -> Sender:
    """The sender of a new process, which remembers nothing and crashes as planned."""
    return Sender(
        CrashingStore(crash_plan, dispatcher.store),
        cast("GitHub", CrashingGitHub(crash_plan, github)),
        keys=dispatcher.shared.keys,
    )
