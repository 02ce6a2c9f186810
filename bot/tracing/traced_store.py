"""A store whose transactions are spans, of what is traced already. The loops ask it all day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from bot import tracing
from bot.tracing import TRACING, Traceparent
from store.engine.sql import Dialect
from store.engine.transaction import PoolUse, Store, Tx, Work

T = TypeVar("T")

SYSTEMS: dict[Dialect, str] = {"sqlite": "sqlite", "mysql": "mysql", "mariadb": "mariadb"}


def with_spans(store: Store) -> Store:
    """The store itself while traces are off."""
    return store if TRACING.backend is None else TracedStore(store)


@dataclass
class TracedStore:
    inner: Store

    def __post_init__(self) -> None:
        self.bell = self.inner.bell
        self.dialect = self.inner.dialect

    def pool(self) -> PoolUse:
        return self.inner.pool()

    async def close(self) -> None:
        await self.inner.close()

    async def read(self, work: Work[T]) -> T:
        return await self._run("read", work)

    async def write(self, work: Work[T]) -> T:
        return await self._run("write", work)

    async def _run(self, what: Literal["read", "write"], work: Work[T]) -> T:
        run = self.inner.read if what == "read" else self.inner.write
        backend = TRACING.backend
        if backend is None or not backend.is_recording():
            # What an unsampled trace causes is not sampled either.
            above = tracing.traceparent()
            return await run(work if above is None else _within(work, above, above, Counted()))
        above, counted = tracing.traceparent(), Counted()
        with tracing.span(
            f"{what} {SYSTEMS[self.dialect]}",
            "client",
            db__system__name=SYSTEMS[self.dialect],
            db__operation__name=what,
        ) as span:
            try:
                return await run(_within(work, above, tracing.traceparent(), counted))
            finally:
                span.set(db__operation__batch__size=counted.statements)


@dataclass
class Counted:
    statements: int = 0


def _within(work: Work[T], above: Traceparent, here: Traceparent, counted: Counted) -> Work[T]:
    """The work as part of the trace: an engine may run it in a task that knows of none."""

    async def traced_work(tx: Tx) -> T:
        tx.trace = above
        counted.statements = 0
        with tracing.continuing(here):
            return await work(CountingTx(tx, counted))

    return traced_work


class CountingTx:
    """A transaction that counts its statements."""

    __slots__ = ("_counted", "_tx")

    def __init__(self, tx: Tx, counted: Counted) -> None:
        self._tx = tx
        self._counted = counted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in CountingTx.__slots__:
            object.__setattr__(self, name, value)
        else:
            setattr(self._tx, name, value)

    async def all(self, sql: str, **params: Any) -> list[Any]:
        self._counted.statements += 1
        return await self._tx.all(sql, **params)

    async def one(self, sql: str, **params: Any) -> Any | None:
        self._counted.statements += 1
        return await self._tx.one(sql, **params)

    async def run(self, sql: str, **params: Any) -> int:
        self._counted.statements += 1
        return await self._tx.run(sql, **params)

    async def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._counted.statements += 1
        await self._tx.many(sql, rows)
