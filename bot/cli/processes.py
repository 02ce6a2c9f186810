"""`hubbub serve --processes N`: several processes answer on one port.

The parent opens the port and hands it to each child. So the port stays open while a child that died
is started again. Each child is a whole server: their database divides the work among them, as among
servers on several machines.
"""

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bot.child_processes import ending
from bot.cli import inheritance, listening
from bot.settings import Settings, WrongSettings, database_url_reader
from store.engine.database import sqlite_path

log = structlog.get_logger()

# The pauses before a child is started again, longer each time that it ends.
PAUSES_S = (0.0, 1.0, 5.0, 15.0, 30.0)
# A child that ran for so long has recovered.
RECOVERED_S = 300.0
# How long the children may take to end. One server takes less than half of it.
STOP_S = 30.0


def check(loaded: Settings) -> None:
    """Raise WrongSettings if one database file would serve several processes."""
    if loaded.processes > 1 and sqlite_path(loaded.database_url):
        raise WrongSettings(
            f"HUBBUB_PROCESSES (or --processes) is {loaded.processes}, but a SQLite file is for "
            "one process of `serve`. Set HUBBUB_DATABASE_URL to a MySQL database, or this to 1."
        )


async def run(loaded: Settings) -> int:
    """Serve until the process is told to stop. Return the exit status."""
    must_stop = listening.stop_signal()
    try:
        # It never serves. It only binds the addresses of the host.
        port = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, loaded.host, loaded.port, start_serving=False
        )
    except OSError as exc:
        raise listening.cannot_listen(loaded, exc) from exc
    with _metrics_folder() as folder:
        children = Children([each.fileno() for each in port.sockets], folder, must_stop)
        if database_url_reader():
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, children.hang_up)
        first = asyncio.create_task(children.keep(1))
        if not await children.first_listens():
            must_stop.set()
            await first
            return children.status
        listening.say_address(port.sockets[0].getsockname())
        others = (children.keep(number) for number in range(2, loaded.processes + 1))
        await asyncio.gather(first, *others)
    return 0


@contextmanager
def _metrics_folder() -> Iterator[str]:
    """Make a folder for the counters of all processes, and remove it at the end."""
    try:
        folder = tempfile.mkdtemp(prefix="hubbub-metrics-")
    except OSError as exc:
        raise WrongSettings(
            f"Cannot make a folder for the metrics of several processes: {exc}. Set TMPDIR to a "
            "folder that can be written to, or HUBBUB_PROCESSES to 1."
        ) from exc
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Children:
    """The processes that serve, until `must_stop` is set."""

    ports: Sequence[int]
    # The folder of their counters, or None without it.
    metrics: str | None
    must_stop: asyncio.Event
    # Of the first child, if it ended before it listened.
    status: int = 0
    _running: set[asyncio.subprocess.Process] = field(default_factory=set)
    _listens: asyncio.Event = field(default_factory=asyncio.Event)
    _failed: asyncio.Event = field(default_factory=asyncio.Event)

    async def first_listens(self) -> bool:
        """Whether the first child listens: wait for it. Otherwise it failed, or all must stop.

        The others start after it. So one process migrates the database, and one says what is wrong.
        """
        ends = (self._listens, self._failed, self.must_stop)
        events = [asyncio.create_task(each.wait()) for each in ends]
        await asyncio.wait(events, return_when=asyncio.FIRST_COMPLETED)
        for each in events:
            each.cancel()
        return self._listens.is_set()

    def hang_up(self) -> None:
        """Pass SIGHUP on: each child renews its connections to the database."""
        for each in self._running:
            ending.send_signal(each, signal.SIGHUP, group=False)

    async def keep(self, number: int) -> None:
        """Start a child, and another one whenever it ends, until all must stop."""
        failures = 0
        while not self.must_stop.is_set():
            began = asyncio.get_running_loop().time()
            try:
                status = await self._run(number)
            except OSError as exc:
                log.warning("cannot start a process", process=number, why=str(exc))
                status = 1
            if self.must_stop.is_set():
                return
            if not self._listens.is_set():
                self.status = status if status > 0 else 1
                self._failed.set()
                return
            lived_s = asyncio.get_running_loop().time() - began
            failures = 0 if lived_s > RECOVERED_S else failures + 1
            log.error("process ended, started again", process=number, status=status)
            if status == -signal.SIGBUS:
                self._leave_metrics()
            await self._pause(PAUSES_S[min(max(failures - 1, 0), len(PAUSES_S) - 1)])

    def _leave_metrics(self) -> None:
        """Start no more children with the folder. On a full disk it kills them by SIGBUS."""
        if self.metrics is not None:
            log.error("the disk of the metrics is full: no more sums", folder=self.metrics)
        self.metrics = None

    def _drop_gauges(self, pid: int) -> None:
        """Remove what a process used when it lived. Its counters stay."""
        if self.metrics is not None:
            for each in Path(self.metrics).glob(f"gauge_live*_{pid}.db"):
                each.unlink(missing_ok=True)

    async def _run(self, number: int) -> int:
        """One child from its start to its end. Return its exit status; negative: a signal."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *sys.orig_argv[1:],
                env=os.environ
                | inheritance.variable(number, theirs.fileno(), self.ports)
                | ({inheritance.METRICS: self.metrics} if self.metrics else {}),
                pass_fds=[theirs.fileno(), *self.ports],
            )
            theirs.close()
            watch = asyncio.create_task(self._watch(ours))
            stop = asyncio.create_task(self._stop(process))
            self._running.add(process)
            try:
                return await process.wait()
            finally:
                self._drop_gauges(process.pid)
                self._running.discard(process)
                for each in (watch, stop):
                    each.cancel()
                await asyncio.gather(watch, stop, return_exceptions=True)

    async def _watch(self, child: socket.socket) -> None:
        child.setblocking(False)
        if await asyncio.get_running_loop().sock_recv(child, 1) == inheritance.LISTENS:
            self._listens.set()

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        """Stop the child when all must stop. Kill it if that takes too long."""
        await self.must_stop.wait()
        ending.send_signal(process, signal.SIGTERM, group=False)
        await asyncio.sleep(STOP_S)
        ending.send_signal(process, signal.SIGKILL, group=False)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.must_stop.wait()
