"""Processes that call an operation, each killed at another of its statements, as by kill -9."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from bot.workflows import effects
from store.engine.database import open_store
from store.engine.transaction import PoolUse, Store, TaskKey, Tx, Work


class KillingTx:
    """A transaction whose process dies before one of its statements."""

    def __init__(self, tx: Tx, store: "KillingStore") -> None:
        self._tx, self._store = tx, store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._tx, name, value)

    async def all(self, sql: str, **params: Any) -> list[Any]:
        self._store.count()
        return await self._tx.all(sql, **params)

    async def one(self, sql: str, **params: Any) -> Any | None:
        self._store.count()
        return await self._tx.one(sql, **params)

    async def run(self, sql: str, **params: Any) -> int:
        self._store.count()
        return await self._tx.run(sql, **params)

    async def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._store.count()
        await self._tx.many(sql, rows)


class KillingStore:
    """Kills its process before statement `at` of its writes. 0: never."""

    def __init__(self, store: Store, at: int) -> None:
        self.inner, self.bell, self.dialect = store, store.bell, store.dialect
        self.at, self.statements = at, 0

    def count(self) -> None:
        self.statements += 1
        if self.statements == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def pool(self) -> PoolUse:
        return self.inner.pool()

    async def close(self) -> None:
        await self.inner.close()

    async def read(self, work: Work[Any]) -> Any:
        return await self.inner.read(work)

    async def write(self, work: Work[Any]) -> Any:
        async def killing(tx: Tx) -> Any:
            counting: Any = KillingTx(tx, self)
            follow = tx.before_commit

            async def follow_counting(_: Tx, changed: AbstractSet[TaskKey]) -> None:
                await follow(counting, changed)

            tx.before_commit = follow_counting
            return await work(counting)

        return await self.inner.write(killing)


async def call(asked: dict[str, Any], at: int) -> int:
    """Call it. Return how many statements it took, if it came to its end."""
    clock = int(asked["clock"])
    opened = await open_store(asked["url"], lambda: clock, before_commit=effects.follow)
    counting = KillingStore(opened, at)
    store: Any = counting
    dispatcher = Dispatcher(store, Shared(Keys(asked["secret"])))
    actor = Actor(asked["installation_id"], asked["agent"], asked["role"])
    await dispatcher.call(actor, asked["operation"], asked["arguments"])
    await store.close()
    return counting.statements


def kill_ever_later(asked: dict[str, Any]) -> None:
    """Call it in processes that are killed at statements ever farther apart, until one ends.

    It prints each statement, and waits for a line until it goes on. The last process prints how
    many statements the call took.
    """
    at, step = 1, 1
    while child := os.fork():
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            assert status == 0
            return
        print("killed", at, flush=True)  # noqa: T201 - the test reads it
        sys.stdin.readline()
        step = step * 3
        at += step
    print("ended", asyncio.run(call(asked, at)), flush=True)  # noqa: T201 - the test reads it
    sys.exit()


def main() -> None:
    """Take a call from each line."""
    while line := sys.stdin.readline():
        kill_ever_later(json.loads(line))


if __name__ == "__main__":
    main()
