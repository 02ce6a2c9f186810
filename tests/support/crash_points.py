"""A sender that dies at a step, as by kill -9: nothing of it is left but what it stored and sent.

A step is a transaction or a request. What a sender leaves behind when it dies before a step is
what it leaves when it dies after the one before, so that each point is one of `after`. A read
leaves nothing: the point after it is that before it.
"""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from bot.background.request_scheduler import Sender
from bot.dispatch.dispatcher import Dispatcher
from bot.github.client import GitHub
from bot.github.requests import Answer
from store.engine.transaction import Store, Work

T = TypeVar("T")


class Death(BaseException):
    """No `except Exception` outlives it."""


@dataclass
class Life:
    """Ends `after` so many steps, or never.

    `look` says what a death now would leave behind: `left` has it for each step.
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
                raise Death


@dataclass
class MortalStore:
    life: Life
    store: Store

    def __post_init__(self) -> None:
        self.bell, self.dialect = self.store.bell, self.store.dialect

    async def read(self, work: Work[Any]) -> Any:
        return await self.store.read(work)

    async def write(self, work: Work[Any]) -> Any:
        return await self.life.step(self.store.write(work))

    async def close(self) -> None:
        await self.store.close()


@dataclass
class MortalGitHub:
    life: Life
    github: GitHub

    def __post_init__(self) -> None:
        self.time_out = self.github.time_out

    async def request(self, *given: Any) -> Answer:
        return await self.life.step(self.github.request(*given))

    async def app_request(self, *given: Any) -> Answer:
        return await self.life.step(self.github.app_request(*given))


def mortal(dispatcher: Dispatcher, github: GitHub, life: Life) -> Sender:
    """A new process: another `me`, and nothing remembered."""
    return Sender(
        MortalStore(life, dispatcher.store),
        cast("GitHub", MortalGitHub(life, github)),
        keys=dispatcher.shared.keys,
    )
