"""Executes calls in their turn: each in a transaction, or in two with a call to others between."""

import asyncio
from typing import TypeVar

from bot.dispatch.activity import Activity
from bot.dispatch.execution import Call, begin
from bot.dispatch.outside_calls import OutsideCalls
from bot.dispatch.sent_notices import SentNotices
from bot.dispatch.turns import Turns
from bot.kernel.operation import Answer
from bot.kernel.outside import OutsideCall
from store.engine.transaction import Store, Work

T = TypeVar("T")

# Calls that are executed at once. Without a limit, a thousand calls of one agent would go before
# every other one, and a thousand of one installation would take all connections to the database.
MOST_OF_AGENT = 4
MOST_OF_INSTALLATION = 8


class Executor:
    """Executes calls in transactions."""

    def __init__(self, store: Store, activity: Activity) -> None:
        self.store = store
        self.activity = activity
        self._agent_turns = Turns(MOST_OF_AGENT)
        self._installation_turns = Turns(MOST_OF_INSTALLATION)
        self._outside_calls = OutsideCalls(store)
        self.sent_notices = SentNotices(store)

    async def execute(self, call: Call) -> Answer:
        """Execute the call when it is its turn among those of its agent and its installation."""
        if call.is_keyed and (running := self._outside_calls.running(call)):
            return await running
        answer = await self._in_turn(call, lambda tx: begin(tx, call))
        if isinstance(answer, OutsideCall):
            return await self._outside_calls.run(call, answer, self._in_turn)
        return answer

    async def _in_turn(self, call: Call, work: Work[T]) -> T:
        installation_id, _ = call.actor.key
        async with (
            self._agent_turns.take(call.actor.key),
            self._installation_turns.take(installation_id),
        ):
            return await self._execute(call, work)

    async def _execute(self, call: Call, work: Work[T]) -> T:
        call.caller.check()
        await self.activity.touch(call.actor)
        access = self.store.read if call.operation.reads_only else self.store.write
        try:
            return await access(work)
        except asyncio.CancelledError:
            # The transaction goes on if it has begun. It must not begin after this.
            call.caller.cancelled = True
            raise
        finally:
            if "lease_s" in type(call.arguments).model_fields:
                self.activity.touch_again(call.actor)
            await self._write_later(call.later)

    async def _write_later(self, later: list[Work[None]]) -> None:
        for work in later:
            await self.store.write(work)
        later.clear()
