"""Long poll: a call with `wait_s` gets its answer when that is final, or after that time."""

import asyncio
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from bot.dispatch.execution import Call, named_tasks, with_freshness
from bot.dispatch.executor import Executor
from bot.events.waiters import Waiter, Waiters
from bot.identity.actors import Actor
from bot.kernel.event_stream import NamedEvent, News
from bot.kernel.operation import Answer
from bot.kernel.waitable import EventFilter, Waitable
from bot.messages import notices
from store.engine.transaction import Work

# How often a waiting call looks without an event: some answers change by time alone.
LOOK_EVERY_S = 5.0


def may_bring_notice(actor: Actor, event: NamedEvent) -> bool:
    """Whether the event may come with a notice for the agent."""
    mine = event["audience"] == actor.name or (
        event["kind"] == "message.sent" and event["audience"] is None
    )
    return (
        mine and event["kind"] in ("inbox.changed", "message.sent") and event["actor"] != actor.name
    )


def _with_notices(wanted: EventFilter | None, actor: Actor) -> EventFilter | None:
    """The filter that lets the notices of an agent pass, too."""
    if wanted is None or actor.is_person:
        return wanted
    return lambda event: wanted(event) or may_bring_notice(actor, event)


@dataclass(frozen=True)
class LongPoll:
    executor: Executor
    waiters: Waiters
    look_every_s: float = LOOK_EVERY_S

    async def wait(self, call: Call, waitable: Waitable[Any], wait_s: float) -> Answer:
        """The final answer, or the newest one at the end of the wait."""
        time = asyncio.get_running_loop().time
        end = time() + wait_s
        async with self.waiters.add(call.actor.installation_id) as waiter:
            answer = await self.executor.execute(call)
            while not waitable.is_final(answer) and not self._has_news(call, answer):
                left = end - time()
                if left <= 0 or self.waiters.stopping:
                    look = CallLook(self.executor, call, None, timed_out=True)
                    return await self._refresh(look, waitable, answer)
                wanted = _with_notices(waitable.wanted_events(answer, call.actor), call.actor)
                look = await self._next_look(call, waiter, wanted, left)
                call.caller.check()
                found = await waitable.look_again(look, answer)
                if found is None:
                    # The agent is active, although its call wrote nothing.
                    await self.executor.activity.touch(call.actor)
                    if look.may_have_notices:
                        found = await self._refresh(look, waitable, answer)
                answer = found or answer
        return answer

    def _has_news(self, call: Call, answer: Answer) -> bool:
        """Whether the agent should know something now, whatever it waits for."""
        return self.executor.sent_notices.has_new(call.actor, answer.notices)

    async def _next_look(
        self, call: Call, waiter: Waiter, wanted: EventFilter | None, left: float
    ) -> "CallLook":
        try:
            news = await waiter.wait(wanted, min(left, self.look_every_s))
        except TimeoutError:
            return CallLook(self.executor, call, None, timed_out=True)
        return CallLook(self.executor, call, news, timed_out=False)

    async def _refresh(self, look: "CallLook", waitable: Waitable[Any], answer: Answer) -> Answer:
        """The answer from the start of the wait, with the freshness and notices of its end.

        If it has news, these may have come after the last look, so it looks once more: an answer
        must not name a message that it does not hand out.
        """
        call = look.call
        answer = await self.executor.store.read(lambda tx: with_freshness(tx, call, answer))
        if self._has_news(call, answer):
            return await waitable.look_again(look, answer) or answer
        return answer


@dataclass(frozen=True)
class CallLook:
    """The `Look` of one call."""

    executor: Executor
    call: Call
    news: News | None
    timed_out: bool

    @property
    def actor(self) -> Actor:
        return self.call.actor

    @property
    def may_have_notices(self) -> bool:
        """Whether the agent may have a notice that it had not when it began to wait."""
        if self.timed_out or self.actor.is_person:
            return False
        return self.news is None or any(
            may_bring_notice(self.actor, each) for each in self.news.events
        )

    @property
    def arguments(self) -> BaseModel:
        return self.call.arguments

    async def run(self, **changed: Any) -> Answer:
        return await self.executor.execute(self.call.with_arguments(**changed))

    async def check(self, question: Work[bool]) -> bool:
        return await self.executor.store.read(question)

    async def add_notices(self, answer: Answer) -> Answer:
        assert self.news is not None
        now = self.news.now
        named = named_tasks(self.call, answer)
        found = await self.executor.store.read(
            lambda tx: notices.current(tx, self.actor, now, named)
        )
        return answer.model_copy(update={"notices": found})
