"""A store that notes the statements of its transactions, and rolls all of them back."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from store.engine import sequences
from store.engine.transaction import PoolUse, Store, Tx, Work, settle

T = TypeVar("T")


class Rolled(Exception):
    """Ends a transaction, so that the next call finds the same rows."""


class RecordingTx:
    """A transaction that notes its statements."""

    def __init__(self, tx: Tx, statements: list[str]) -> None:
        self._tx = tx
        self._statements = statements

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._tx, name, value)

    async def all(self, sql: str, **params: Any) -> list[Any]:
        self._statements.append(sql)
        return await self._tx.all(sql, **params)

    async def one(self, sql: str, **params: Any) -> Any | None:
        self._statements.append(sql)
        return await self._tx.one(sql, **params)

    async def run(self, sql: str, **params: Any) -> int:
        self._statements.append(sql)
        return await self._tx.run(sql, **params)

    async def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._statements.append(sql)
        await self._tx.many(sql, rows)


class RecordingStore:
    """A store that notes all statements and rolls every transaction back."""

    def __init__(self, store: Store) -> None:
        self.inner = store
        self.dialect = store.dialect
        self.bell = store.bell
        self.statements: list[str] = []

    def pool(self) -> PoolUse:
        return self.inner.pool()

    async def close(self) -> None:
        await self.inner.close()

    async def read(self, work: Work[T]) -> T:
        return await self.inner.read(lambda tx: work(RecordingTx(tx, self.statements)))

    async def write(self, work: Work[T]) -> T:
        answers: list[T] = []

        async def rolled_back(tx: Tx) -> None:
            recording = RecordingTx(tx, self.statements)
            answers.append(await work(recording))
            await settle(recording)
            await sequences.number(recording)
            raise Rolled

        with suppress(Rolled):
            await self.inner.write(rolled_back)
        return answers[-1]
