"""How a caller waits for an answer: `wait_s`."""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from bot.identity.actors import Actor
from bot.kernel.event_stream import NamedEvent, News
from store.engine.transaction import Work

A = TypeVar("A")
EventFilter: TypeAlias = Callable[[NamedEvent], bool]


class Look(Protocol):
    """What a caller that waits can do when it is woken, or after some seconds."""

    @property
    def actor(self) -> Actor: ...

    @property
    def arguments(self) -> Any: ...

    @property
    def news(self) -> News | None:
        """The events that woke the caller. None: time passed, or what happened was not read."""

    @property
    def timed_out(self) -> bool:
        """Nothing woke the caller."""

    async def run(self, **changed: Any) -> Any:
        """Run the operation again, with some arguments changed."""

    async def check(self, question: Work[bool]) -> bool:
        """The answer to a question about the database. Nothing is written."""

    async def add_notices(self, answer: Any) -> Any:
        """An answer made from the news, with the notices for this caller."""


class Waitable(Generic[A]):
    """Three questions about an operation that takes `wait_s`; `A` is its answer."""

    def is_final(self, answer: A) -> bool:
        """Whether the caller gets this answer at once."""
        raise NotImplementedError

    def has_effect(self, _answer: A) -> bool:
        """Whether the call changed something. Only then its key belongs to this answer.

        A call that waits runs again and again with its key, until it changes something.
        """
        return True

    def wanted_events(self, _answer: A, _actor: Actor) -> EventFilter | None:
        """Which events wake the caller. None: every change in the installation."""
        return None

    async def look_again(self, look: Look, _answer: A) -> A | None:
        """The answer now. None: it has not changed."""
        answer: A = await look.run()
        return answer
