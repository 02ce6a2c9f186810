"""The embedded engine: the standard library's sqlite3, run directly on the event loop.

A bounded statement takes some 20 microseconds; a thread hop takes twenty times that.
"""

import asyncio
import random
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from store.engine import sequences
from store.engine.cancellation import Shield
from store.engine.sql import Dialect
from store.engine.sqlite_statements import SQLiteTx
from store.engine.transaction import (
    BeforeCommit,
    PoolUse,
    StoreError,
    Work,
    no_effects,
    settle,
)
from store.engine.wakeups import Bell

T = TypeVar("T")

# Another process may hold the file's only write lock for as long as its transaction takes.
BUSY_TIMEOUT_S = 30
# Works that share a commit. More would make the first one wait too long.
MOST_TOGETHER = 32
# At the end: how long transactions that are being run may take.
CLOSE_S = 5.0
# The file, its disk or its rights are the reason, whatever was asked.
OUTAGES = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)
PRAGMAS = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA busy_timeout = 0;
PRAGMA temp_store = MEMORY;
PRAGMA case_sensitive_like = ON;
PRAGMA cache_size = -65536;
"""


def connect(path: str) -> sqlite3.Connection:
    """Block while another process opens or closes the file.

    WAL is set up under a lock of its own, for which SQLite's busy time-out does not wait.
    """
    give_up = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        db = sqlite3.connect(path, isolation_level=None, cached_statements=512, timeout=0)
        try:
            db.executescript(PRAGMAS)
        except sqlite3.OperationalError as exc:
            db.close()
            if not _is_busy(exc) or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return db


def _primary_code(exc: sqlite3.Error) -> int:
    """SQLite's code, or 0 for an error of Python's module."""
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF


def _is_busy(exc: sqlite3.OperationalError) -> bool:
    return _primary_code(exc) == sqlite3.SQLITE_BUSY


@dataclass(eq=False)
class Waiting:
    """Work that waits for its transaction, and what came of it."""

    work: Work[Any]
    done: asyncio.Future[Any]
    result: Any = None
    failed: BaseException | None = None
    rings: set[str] = field(default_factory=set)

    def answer(self) -> None:
        if self.failed is not None:
            self.fail(self.failed)
        elif not self.done.done():
            self.done.set_result(self.result)

    def fail(self, exc: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(exc)


class SQLite:
    """One writer, one reader of its own, so that reads see no open transaction."""

    dialect: Dialect = "sqlite"

    def __init__(
        self, path: str, clock: Callable[[], int], before_commit: BeforeCommit = no_effects
    ) -> None:
        self.path = path
        self.bell = Bell()
        self._before_commit = before_commit
        self._clock = clock
        self._shield = Shield()
        self._waiting: deque[Waiting] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._reading = asyncio.Lock()
        try:
            self._writer = connect(path)
            self._reader = connect(path)
        except sqlite3.Error as exc:
            raise StoreError(
                f"Cannot open the SQLite file {Path(path).resolve()}: {exc}. "
                "HUBBUB_DATABASE_URL must name a file in a folder that can be written to."
            ) from exc
        self._reader.execute("PRAGMA query_only = ON")

    def pool(self) -> PoolUse:
        """The writer and the reader."""
        used = int(self._writing is not None) + int(self._reading.locked())
        return PoolUse(used, 2 - used, 2)

    async def close(self) -> None:
        await self._shield.drain(CLOSE_S)
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        self._reader.close()
        self._writer.close()

    async def read(self, work: Work[T]) -> T:
        async with self._reading:
            try:
                _roll_back(self._reader)
                self._reader.execute("BEGIN")
                try:
                    return await work(SQLiteTx(self._reader, self._clock))
                finally:
                    _end(self._reader, "COMMIT")
            except sqlite3.Error as exc:
                if (outage := self._outage("read", exc)) is exc:
                    raise
                raise outage from exc

    async def write(self, work: Work[T]) -> T:
        return await self._shield.run(self._queue(work))

    async def _queue(self, work: Work[T]) -> T:
        """Run the work in the next transaction, with other work that waits at the same time."""
        waiting = Waiting(work, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        result: T = await waiting.done
        return result

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                await self._write_together()
        finally:
            self._writing = None

    async def _write_together(self) -> None:
        """One commit for several works: to flush the disk costs more than most of them.

        Each has its savepoint, so one that fails takes nothing of the others back. None is answered
        before the commit, because what it answers may rest on the others.
        """
        ran: list[Waiting] = []
        try:
            await self._begin()
            while self._waiting and len(ran) < MOST_TOGETHER:
                ran.append(self._waiting.popleft())
                await self._run(ran[-1])
                # Let other work come in and join, and let readers read.
                await asyncio.sleep(0)
            self._writer.execute("COMMIT")
        except BaseException as exc:
            _end(self._writer, "ROLLBACK")
            failed = self._outage("write to", exc)
            for each in ran or self._take_all():
                each.fail(failed)
            if not isinstance(exc, Exception):
                raise
            return
        for each in ran:
            self.bell.ring(each.rings)
            each.answer()

    def _take_all(self) -> list[Waiting]:
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    async def _run(self, waiting: Waiting) -> None:
        """Run the work. Raise only what ends the transaction of all."""
        tx = SQLiteTx(self._writer, self._clock, self._before_commit)
        self._writer.execute("SAVEPOINT work")
        try:
            waiting.result = await waiting.work(tx)
            await settle(tx)
            await sequences.number(tx)
            self._writer.execute("RELEASE work")
            waiting.rings = tx.rings
        except (Exception, asyncio.CancelledError) as exc:
            # The disk failed, and SQLite has rolled everything back; or the store is closed.
            if not self._writer.in_transaction or _is_cancelled():
                raise
            self._writer.execute("ROLLBACK TO work")
            self._writer.execute("RELEASE work")
            waiting.failed = self._outage("write to", exc)

    async def _begin(self) -> None:
        """Take the file's write lock without blocking the loop while another process has it."""
        _roll_back(self._writer)
        give_up = time.monotonic() + BUSY_TIMEOUT_S
        pause = 0.001
        while True:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as exc:
                if not _is_busy(exc) or time.monotonic() > give_up:
                    raise
                await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 - spreads, hides nothing
                pause = min(pause * 2, 0.05)
            else:
                return

    def _outage(self, verb: str, exc: BaseException) -> BaseException:
        """A StoreError if the reason is the file and not the statement, else the error itself."""
        if not isinstance(exc, sqlite3.Error) or _primary_code(exc) not in OUTAGES:
            return exc
        outage = StoreError(f"Cannot {verb} the SQLite file {self.path}: {exc}.")
        outage.__cause__ = exc
        return outage


def _is_cancelled() -> bool:
    """Whether this task is cancelled, and not only what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _roll_back(db: sqlite3.Connection) -> None:
    """Roll back a transaction that could not be ended, because the disk failed."""
    if db.in_transaction:
        db.execute("ROLLBACK")


def _end(db: sqlite3.Connection, statement: str) -> None:
    """End the transaction. A failure of the disk has ended it already, or shows again later."""
    with suppress(sqlite3.Error):
        if db.in_transaction:
            db.execute(statement)
