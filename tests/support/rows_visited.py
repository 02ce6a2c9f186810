"""Counts how much of the tables each statement visits, and how much of the answer is read."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, TypeVar

from store.engine import sequences
from store.engine.origins import Origin
from store.engine.transaction import BeforeCommit, Numbered, PoolUse, Store, TaskKey, Tx, Work
from store.engine.wakeups import Bell

T = TypeVar("T")

# Otherwise MariaDB checks conditions in the storage engine, which hides rows from `Handler_read`.
NO_HIDING = "SET SESSION optimizer_switch = 'index_condition_pushdown=off'"
# SQLite takes about so many steps of its virtual machine for a row that it visits.
STEPS_OF_A_ROW = 10


@dataclass
class Visits:
    """The statements in order, each with the rows that it visited."""

    statements: list[tuple[str, int]] = field(default_factory=list)
    found: list["FoundRow"] = field(default_factory=list)
    # Where each statement was run, and the installations of each transaction.
    places: list[tuple[str, int]] = field(default_factory=list)
    installations: list[frozenset[int]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(rows for _, rows in self.statements)

    @property
    def share_read(self) -> float:
        """How much of what was selected somebody has read."""
        selected = sum(len(row) for row in self.found)
        return sum(len(row.read) for row in self.found) / selected if selected else 1.0


class FoundRow(dict[str, Any]):
    """A row that notes which of its columns are read. To copy it reads all."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        super().__init__(row)
        self.read: set[str] = set()

    def __getitem__(self, column: str) -> Any:
        self.read.add(column)
        return super().__getitem__(column)

    def get(self, column: str, default: Any = None) -> Any:
        self.read.add(column)
        return super().get(column, default)

    def __iter__(self) -> Iterator[str]:
        self.read.update(self.keys())
        return super().__iter__()

    def __or__(self, other: Any) -> "FoundRow":  # type: ignore[override]
        changed = FoundRow({**dict(super().items()), **other})
        changed.read = self.read
        return changed


class Rolled(Exception):
    """Ends a transaction, so that nothing changes."""


class CountingTx:
    """A transaction that notes what each statement visits."""

    def __init__(self, tx: Tx, visits: Visits) -> None:
        self.tx = tx
        self.visits = visits
        self.dialect = tx.dialect
        self._sqlite = getattr(tx, "_db", None)
        self._visited = 0
        self._handled = 0
        self.installations: set[int] = set()

    @property
    def origin(self) -> Origin:
        return self.tx.origin

    @origin.setter
    def origin(self, origin: Origin) -> None:
        self.tx.origin = origin

    @property
    def trace(self) -> str | None:
        return self.tx.trace

    @trace.setter
    def trace(self, trace: str | None) -> None:
        self.tx.trace = trace

    @property
    def changed_tasks(self) -> set[TaskKey]:
        return self.tx.changed_tasks

    @changed_tasks.setter
    def changed_tasks(self, changed: set[TaskKey]) -> None:
        self.tx.changed_tasks = changed

    @property
    def before_commit(self) -> BeforeCommit:
        return self.tx.before_commit

    @before_commit.setter
    def before_commit(self, follow: BeforeCommit) -> None:
        self.tx.before_commit = follow

    @property
    def numbered(self) -> list[Numbered]:
        return self.tx.numbered

    @numbered.setter
    def numbered(self, rows: list[Numbered]) -> None:
        self.tx.numbered = rows

    @property
    def rings(self) -> set[str]:
        return self.tx.rings

    @rings.setter
    def rings(self, topics: set[str]) -> None:
        self.tx.rings = topics

    async def begin(self) -> None:
        if self._sqlite is not None:
            self._sqlite.set_progress_handler(self._step, STEPS_OF_A_ROW)
        else:
            await self.tx.run(NO_HIDING)
            self._handled = await self._handler_reads()

    def end(self) -> None:
        if self._sqlite is not None:
            self._sqlite.set_progress_handler(None, STEPS_OF_A_ROW)

    def _step(self) -> int:
        self._visited += 1
        return 0

    async def _handler_reads(self) -> int:
        # To show the counts does not change them. To show more of them takes much longer.
        rows = await self.tx.all("SHOW SESSION STATUS LIKE 'Handler_read%'")
        return sum(int(row["Value"]) for row in rows)

    async def _note(self, sql: str, *rows_of: Mapping[str, Any]) -> None:
        self._note_place(sys._getframe(2), rows_of)
        if self._sqlite is not None:
            rows, self._visited = self._visited, 0
        else:
            handled = await self._handler_reads()
            rows, self._handled = handled - self._handled, handled
        self.visits.statements.append((sql, rows))

    def _note_place(self, caller: FrameType, rows_of: Sequence[Mapping[str, Any]]) -> None:
        self.visits.places.append((caller.f_code.co_filename, caller.f_lineno))
        for row in rows_of:
            for name in ("i", "installation_id"):
                if isinstance(row.get(name), int):
                    self.installations.add(row[name])

    async def now(self) -> int:
        return await self.tx.now()

    async def all(self, sql: str, **params: Any) -> list[Any]:
        found = [FoundRow(row) for row in await self.tx.all(sql, **params)]
        self.visits.found += found
        await self._note(sql, params)
        return found

    async def one(self, sql: str, **params: Any) -> Any | None:
        row = await self.tx.one(sql, **params)
        await self._note(sql, params)
        if row is None:
            return None
        found = FoundRow(row)
        self.visits.found.append(found)
        return found

    async def run(self, sql: str, **params: Any) -> int:
        found = await self.tx.run(sql, **params)
        await self._note(sql, params)
        return found

    async def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        await self.tx.many(sql, rows)
        await self._note(sql, *rows)


class CountingStore:
    """A store that counts while it has `visits`. Then it also rolls every transaction back."""

    def __init__(self, store: Store) -> None:
        self.inner = store
        self.dialect = store.dialect
        self.bell: Bell = store.bell
        self.visits: Visits | None = None

    def pool(self) -> PoolUse:
        return self.inner.pool()

    async def close(self) -> None:
        await self.inner.close()

    async def read(self, work: Work[T]) -> T:
        if self.visits is None:
            return await self.inner.read(work)
        return await self.inner.read(lambda tx: self._counted(tx, work))

    async def write(self, work: Work[T]) -> T:
        if self.visits is None:
            return await self.inner.write(work)
        answers: list[T] = []

        async def rolled_back(tx: Tx) -> None:
            answers.append(await self._counted(tx, work))
            raise Rolled

        with suppress(Rolled):
            await self.inner.write(rolled_back)
        return answers[-1]

    async def _counted(self, tx: Tx, work: Work[T]) -> T:
        assert self.visits is not None
        counting = CountingTx(tx, self.visits)
        await counting.begin()
        try:
            answer = await work(counting)
            await sequences.number(counting)
        finally:
            self.visits.installations.append(frozenset(counting.installations))
            counting.end()
        return answer
