"""Background tasks that must not end. One that ends is started again."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import structlog

log = structlog.get_logger()

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

# Before each new start of a task that ends again and again. After the last one it is given up.
PAUSES_S = (0.0, 1.0, 5.0, 15.0, 30.0)
# A task that ran for so long has recovered.
RECOVERED_S = 300.0


@dataclass
class Supervisor:
    """`failing`: the problem of each task that ended, until the task itself removes it.

    `given_up`: tasks that are not started again. Only a new process can help.
    """

    failing: dict[str, str]
    pauses_s: Sequence[float] = PAUSES_S
    given_up: dict[str, str] = field(default_factory=dict)
    # Called when a task is given up.
    when_given_up: Callable[[], None] | None = None
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _ends: Counter[str] = field(default_factory=Counter)
    _stopping: bool = False

    def start(self, name: str, work: Work, pause_s: float = 0.0) -> None:
        async def run() -> None:
            await asyncio.sleep(pause_s)
            await work()

        began = asyncio.get_running_loop().time()
        task = asyncio.create_task(run(), name=name)
        self.tasks[name] = task
        task.add_done_callback(lambda ended: self._start_again(name, work, ended, began))

    def stop(self) -> None:
        """From now on tasks may end."""
        self._stopping = True

    def _start_again(self, name: str, work: Work, ended: asyncio.Task[None], began: float) -> None:
        if self._stopping:
            return
        if asyncio.get_running_loop().time() - began > RECOVERED_S:
            self._ends[name] = 0
        n = self._ends[name]
        self._ends[name] += 1
        why = "it was cancelled" if ended.cancelled() else repr(ended.exception())
        self.failing[name] = f"the loop ended: {why}"
        if n >= len(self.pauses_s):
            self.given_up[name] = self.failing[name]
            log.error("loop ended too often", loop=name, why=why)
            if self.when_given_up:
                self.when_given_up()
            return
        log.error("loop ended, started again", loop=name, why=why)
        self.start(name, work, self.pauses_s[n])
