"""A store on which each transaction that writes is rolled back once and tried again."""

from contextlib import suppress
from typing import Any, TypeVar

from store.engine.transaction import Store, Tx, Work

T = TypeVar("T")


class _RolledBack(Exception):
    pass


class RepeatingStore:
    """As on a MySQL where each transaction meets a deadlock at its end."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write(self, work: Work[T]) -> T:
        async def lose(tx: Tx) -> None:
            await work(tx)
            raise _RolledBack

        # What the work raises, it raises again.
        with suppress(Exception):
            await self._store.write(lose)
        return await self._store.write(work)
