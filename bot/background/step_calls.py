"""The loop's step for steps that tools do: begins their calls, many at once, fair to tenants."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar

import structlog

from bot.dispatch.execution import Call, begin
from bot.dispatch.outside_calls import OutsideCalls
from bot.errors import Refused
from bot.kernel import running_tasks
from bot.kernel.operation import Shared
from bot.kernel.outside import OutsideCall
from bot.operations.tools.calling import ToolCalled, call_tool
from bot.operations.workflows import tool_runs, tool_starts
from bot.operations.workflows.tool_runs import Taken
from store.engine.transaction import Store, Work
from store.tables.workflows import WorkflowStepRow
from store.workflows import steps

log = structlog.get_logger()

T = TypeVar("T")
# Calls at once, in all and of one installation.
MOST, MOST_OF_ONE = 20, 5
Which: TypeAlias = tuple[int, str, str]


def _which(row: WorkflowStepRow) -> Which:
    return row["installation_id"], row["workflow_id"], row["step"]


@dataclass
class StepCalls:
    store: Store
    shared: Shared
    _running: dict[Which, asyncio.Task[None]] = field(default_factory=dict)
    _outside: OutsideCalls = field(init=False)

    def __post_init__(self) -> None:
        self._outside = OutsideCalls(self.store)

    async def step(self) -> int:
        """Begin the calls that are due and have a place. It does not wait for them."""
        if self.shared.outside.tool_servers is None:
            return 0
        # As many may be there whose calls have begun, but are not recorded yet.
        read = partial(steps.installations_with_due_call, limit=2 * MOST)
        for installation_id in await self.store.read(read):
            await self._begin_some(installation_id)
        return 0

    async def _begin_some(self, installation_id: int) -> None:
        """Begin calls of the installation, as many as it has places."""
        places = min(MOST_OF_ONE - self._by_installation()[installation_id], self._free_places())
        if places <= 0:
            return
        read = partial(steps.with_due_call, installation_id=installation_id, limit=2 * MOST_OF_ONE)
        found = [(_which(row), row) for row in await self.store.read(read)]
        for which, row in [each for each in found if each[0] not in self._running][:places]:
            task = asyncio.create_task(self._run(row))
            self._running[which] = task
            task.add_done_callback(partial(self._forget, which))

    def _free_places(self) -> int:
        return MOST - len(self._running)

    def _by_installation(self) -> Counter[int]:
        return Counter(each[0] for each in self._running)

    def _forget(self, which: Which, _: asyncio.Task[None]) -> None:
        self._running.pop(which, None)

    async def _run(self, row: WorkflowStepRow) -> None:
        try:
            await self.run(row)
        except Exception:  # the database may be away; the others must go on
            log.exception("tool of a step not called", workflow=row["workflow_id"])

    async def run(self, row: WorkflowStepRow) -> None:
        """Call the tool of one step, and let its workflow go on."""
        taken = await self.store.write(lambda tx: tool_runs.take(tx, row))
        if taken is None:
            return
        try:
            answer = await self._answer(taken)
            await self._end(taken, answer)
        except Refused as exc:
            refused = exc
            await self.store.write(lambda tx: tool_runs.fail(tx, taken, refused))

    async def _end(self, taken: Taken, answer: ToolCalled) -> None:
        """Raise Refused if the step cannot take the answer."""
        if answer.failed:
            await self.store.write(lambda tx: tool_runs.fail_by_tool(tx, taken, answer))
        else:
            await self.store.write(lambda tx: tool_runs.complete(tx, taken, answer, self.shared))

    async def _answer(self, taken: Taken) -> ToolCalled:
        """Raise Refused."""
        tool_starts.check_may_call(taken.actor)
        arguments = await self.store.write(
            lambda tx: tool_runs.arguments_of(tx, taken, self.shared)
        )
        given = {"tool": taken.tool, "arguments": arguments}
        parsed = call_tool.parse(given)
        here = (call_tool, taken.actor, parsed, taken.call_id, self.shared)
        call = Call(*here, for_task=taken.row["task_id"])
        made: Any = await self._write(call, lambda tx: begin(tx, call))
        if isinstance(made, OutsideCall):
            made = await self._outside.run(call, made, self._write)
        assert isinstance(made, ToolCalled)
        return made

    async def _write(self, call: Call, work: Work[T]) -> T:
        try:
            return await self.store.write(work)
        finally:
            for each in call.later:
                await self.store.write(each)
            call.later.clear()

    async def drain(self) -> None:
        """Make all calls that are due, and wait for them."""
        await self.step()
        while self._running:
            await asyncio.wait(self._running.values())
            await self.step()

    async def finish(self, timeout_s: float) -> None:
        """Wait for what runs, but not for long. Another process looks after the rest."""
        await running_tasks.finish(self._running.values(), timeout_s)
