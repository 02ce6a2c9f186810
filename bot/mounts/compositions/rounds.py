"""Calls the steps of one round side by side."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from bot.kernel.outside import Outside
from bot.mounts import tool_attempts
from bot.mounts.tool_attempts import Outcome
from bot.mounts.tool_calls import Prepared
from bot.tool_servers.connections import Unavailable

# Calls at once.
MOST_AT_ONCE = 5

Results: TypeAlias = Mapping[str, Outcome]


async def call_all(made: Sequence[tuple[str, Prepared]], until: float, outside: Outside) -> Results:
    """By step, what came of its call. `until`: the end of the time for all of them."""
    gate = asyncio.Semaphore(MOST_AT_ONCE)
    async with asyncio.TaskGroup() as group:
        tasks = {step: group.create_task(_call(gate, each, until, outside)) for step, each in made}
    return {step: task.result() for step, task in tasks.items()}


async def _call(gate: asyncio.Semaphore, made: Prepared, until: float, outside: Outside) -> Outcome:
    async with gate:
        left_s = until - time.monotonic()
        if left_s <= 0:
            return _too_late(made, 0.0, was_sent=False)
        try:
            async with asyncio.timeout(left_s):
                return await tool_attempts.run(made.attempts, outside)
        except TimeoutError:
            return _too_late(made, left_s, was_sent=True)


def _too_late(made: Prepared, seconds: float, *, was_sent: bool) -> Outcome:
    text = "the time for all steps together is over"
    return Outcome(
        made.attempts.targets[0],
        failure=Unavailable("timeout", text, sent=was_sent),
        attempts=int(was_sent),
        seconds=seconds,
        may_have_happened=was_sent,
    )
