"""The calls that wait for somebody outside: no transaction and no turn is taken meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeAlias

import structlog

from bot.dispatch.callers import Caller
from bot.dispatch.execution import Call, finish, free_key, outcome_unknown
from bot.errors import Refused
from bot.kernel.operation import Answer
from bot.kernel.outside import OutsideCall
from store.engine.transaction import Store, StoreError, Work

log = structlog.get_logger()

# The answer, or what is called out next.
Half: TypeAlias = Answer | OutsideCall[Any]
# Executes one transaction of a call when it is its turn.
InTurn: TypeAlias = Callable[[Call, Work[Half]], Awaitable[Half]]


class OutsideCalls:
    """Those that run in this process, by the key with which their caller may repeat them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._running: dict[str, asyncio.Task[Answer]] = {}
        self._abandoning: set[asyncio.Task[None]] = set()

    def running(self, call: Call) -> Awaitable[Answer] | None:
        """The answer of the same call, if it runs already."""
        # The name is a digest of all arguments: no call pays for it while none runs.
        task = self._running.get(_name(call)) if self._running else None
        return asyncio.shield(task) if task else None

    async def run(self, call: Call, outside: OutsideCall[Any], in_turn: InTurn) -> Answer:
        """Call out, then finish the call.

        If its caller leaves, a call with a key goes on, because its caller may ask for the answer
        again. One without a key is cancelled.
        """
        if not call.is_keyed:
            return await self._run(call, outside, in_turn)
        task = asyncio.create_task(self._run(call, outside, in_turn))
        self._running[_name(call)] = task
        task.add_done_callback(lambda done: self._forget(call, done))
        return await asyncio.shield(task)

    def _forget(self, call: Call, task: asyncio.Task[Answer]) -> None:
        del self._running[_name(call)]
        if not task.cancelled():
            task.exception()  # it is known to the caller, or nobody waits for it

    async def _run(self, call: Call, outside: OutsideCall[Any], in_turn: InTurn) -> Answer:
        made: Half = outside
        while isinstance(made, OutsideCall):
            made = await self._half(call, made, in_turn)
            # Nothing more is called, and nothing is shown, if the token was revoked meanwhile.
            call.caller.check_token()
        return made

    async def _half(self, call: Call, outside: OutsideCall[Any], in_turn: InTurn) -> Half:
        try:
            async with asyncio.timeout(outside.timeout_s) as limit:
                result = await outside.run(call.shared.outside)
        except asyncio.CancelledError:
            # In a task of its own, which is not cancelled with this one.
            task = asyncio.create_task(self._abandon(outside))
            self._abandoning.add(task)
            task.add_done_callback(self._abandoning.discard)
            await asyncio.shield(task)
            raise
        except TimeoutError:
            if not limit.expired():
                raise
            await self._abandon(outside)
            raise outcome_unknown(call.operation.name) from None
        # What came of it is recorded also if the caller left.
        alone = replace(call, caller=Caller(origin=call.caller.origin))
        try:
            return await in_turn(alone, lambda tx: finish(tx, alone, outside, result))
        except Refused as exc:
            if exc.code != "outcome_unknown" and not call.operation.reads_only:
                await self.store.write(lambda tx: free_key(tx, call))
            raise

    async def _abandon(self, outside: OutsideCall[Any]) -> None:
        if outside.abandon is None:
            return
        try:
            await self.store.write(outside.abandon)
        except StoreError as exc:
            log.warning("an ended call not recorded", error=str(exc))


def _name(call: Call) -> str:
    """A repeat with the key and other arguments is another call, which is refused."""
    return f"{call.actor.installation_id} {call.request_key} {call.digest}"
