"""The process that runs tasks with models: `serve` starts it when there is something to run.

It is a process of its own, so that a run that hangs or dies does not touch the server. Its end of
a pipe closes when the server ends, and then it ends too.
"""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from bot.child_processes import ending
from bot.protocols.routing import IN_WORKER
from store.engine.transaction import Store
from store.protocols import endpoints

log = structlog.get_logger()

COMMAND = (sys.executable, "-m", "hubbub", "worker", "--child")
# Before it is started again, longer each time that it failed.
PAUSES_S = (0.0, 5.0, 30.0, 120.0)
# How long it may take to end what it does.
STOP_S = 10.0
# The counters of the server's own processes.
NOT_ITS_OWN = ("PROMETHEUS_MULTIPROC_DIR",)


@dataclass
class ModelWorker:
    store: Store
    command: Sequence[str] = COMMAND
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    process: asyncio.subprocess.Process | None = None
    _failures: int = 0
    _not_before: float = 0.0

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def step(self) -> int:
        """Start the process if something is due and it does not run."""
        if self.is_running:
            return 0
        self._note_end()
        if asyncio.get_running_loop().time() < self._not_before or not await self._is_due():
            return 0
        given = {k: v for k, v in self.environment.items() if k not in NOT_ITS_OWN}
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.PIPE, env=given
            )
        except OSError as exc:
            log.warning("cannot start the worker", why=str(exc))
            self._put_off()
        return 0

    def _note_end(self) -> None:
        """After a failure, wait before the next start."""
        if self.process is None:
            return
        if self.process.returncode:
            log.error("the worker ended", status=self.process.returncode)
            self._put_off()
        else:
            self._failures = 0
        self.process = None

    def _put_off(self) -> None:
        pause_s = PAUSES_S[min(self._failures + 1, len(PAUSES_S) - 1)]
        self._not_before = asyncio.get_running_loop().time() + pause_s
        self._failures += 1

    async def _is_due(self) -> bool:
        for protocol in IN_WORKER:
            looking = partial(endpoints.due, protocol=protocol, limit=1, each=1)
            if await self.store.read(looking):
                return True
        return False

    async def finish(self) -> None:
        """Let the process end; kill it if that takes too long."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            await ending.kill(process, group=False)
