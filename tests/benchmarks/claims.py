"""Claims by 200 workers at once, and claims at a million tasks.

The first table is against the same statements on the bare driver.

Claims are made one after the other first, and what they send to the database is written down by
transaction. On another database with the same rows 200 workers then send those, by the driver
alone; on a third, 200 agents claim.

The second table is a claim of the best task by one agent after the other, at several sizes, with
and without the statistics of the engine. Sizes by argument leave out the first table:
`python -m tests.benchmarks.claims 1000 20000`.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, TypeAlias

from rich.console import Console
from rich.table import Table

from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from store.engine.database import open_store, sqlite_path
from store.engine.migrate import upgrade
from store.engine.mysql import MySQL
from store.engine.sqlite import SQLite, connect
from store.engine.transaction import Store
from tests.benchmarks.million import seed
from tests.benchmarks.processes import SECRET, databases

WORKERS, ROUNDS, GOAL = 200, 3, 0.7
# Of the tasks that are seeded nine of a hundred are ready.
SIZES = (1_000, 10_000)
GROWN = (1_000, 20_000, 200_000, 1_000_000)
GROWTH_GOAL = 0.8
# Claims at each size. An agent may claim 300 tasks an hour.
CLAIMS, OF_ONE = 80, 20
INSTALLATION = 1
POOL = 10
BEGIN, COMMIT, ROLLBACK = "BEGIN", "COMMIT", "ROLLBACK"

Sent: TypeAlias = tuple[str, Any]
Script: TypeAlias = list[Sent]


# --- What the store sends ------------------------------------------------------------------------


@dataclass
class Recorder:
    """A connection or cursor that writes down what it is asked to run."""

    inner: Any
    sent: list[Sent]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class RecordingSQLite(Recorder):
    def execute(self, sql: str, params: Any = ()) -> Any:
        self.sent.append((sql.partition(" IMMEDIATE")[0], dict(params) if params else ()))
        return self.inner.execute(sql, params)

    def executemany(self, sql: str, rows: Any) -> Any:
        self.sent.append((sql, list(rows)))
        return self.inner.executemany(sql, rows)


class RecordingMySQL(Recorder):
    async def run(self, *statements: str) -> Any:
        self.sent.append((statements[-1], statements))
        return await self.inner.run(*statements)


@dataclass
class RecordingPool(Recorder):
    async def take(self) -> Any:
        return RecordingMySQL(await self.inner.take(), self.sent)

    def give_back(self, connection: Any) -> None:
        self.inner.give_back(connection.inner)


def record(store: Store, sent: list[Sent]) -> None:
    """From now on; what it sent is the subject here, so that its insides are."""
    if isinstance(store, SQLite):
        store._writer = RecordingSQLite(store._writer, sent)  # type: ignore[assignment]
    elif isinstance(store, MySQL):
        store._pool = RecordingPool(store._pool, sent)  # type: ignore[assignment]


def scripts(sent: list[Sent]) -> Iterator[Script]:
    """By transaction."""
    script: Script = []
    for each in sent:
        script.append(each)
        if each[0] in (COMMIT, ROLLBACK):
            yield script
            script = []


# --- The three runs ------------------------------------------------------------------------------


@dataclass
class Claims:
    """What the agents were told."""

    dispatcher: Dispatcher
    installation: int = INSTALLATION
    tasks: list[str] = field(default_factory=list)
    refused: int = 0

    def actor(self, n: int) -> Actor:
        return Actor(self.installation, f"agent-{n}", "developer")

    async def register(self, agents: int = WORKERS) -> None:
        for n in range(agents):
            given = {"agent_id": f"agent-{n}", "name": "Bench"}
            await self.dispatcher.call(self.actor(n), "register_agent", given)

    async def claim(self, n: int) -> bool:
        try:
            claimed = await self.dispatcher.call(self.actor(n), "claim_task", {})
        except Refused as exc:
            if exc.code != "nothing_ready":
                raise
            self.refused += 1
            return False
        self.tasks.append(claimed["task"]["id"])
        return True

    async def until_none(self, n: int) -> None:
        while await self.claim(n):
            pass

    async def in_turn(self) -> None:
        """Until none is left for the last of them."""
        left = list(range(WORKERS))
        while left:
            left = [n for n in left if await self.claim(n)]


@asynccontextmanager
async def claims(url: str, size: int) -> AsyncIterator[Claims]:
    upgrade(url)
    store = await open_store(url)
    await seed(store, INSTALLATION, size)
    made = Claims(Dispatcher(store, Shared(Keys(SECRET))))
    await made.register()
    yield made
    await store.close()


async def record_claims(url: str, size: int) -> list[Script]:
    sent: list[Sent] = []
    async with claims(url, size) as each:
        record(each.dispatcher.store, sent)
        await each.in_turn()
    return list(scripts(sent))


async def at_once(worker: Callable[[int], Coroutine[Any, Any, None]]) -> float:
    """Seconds until all workers have ended."""
    began = time.perf_counter()
    await asyncio.gather(*(worker(n) for n in range(WORKERS)))
    return time.perf_counter() - began


async def contend(url: str, size: int) -> tuple[float, Claims]:
    async with claims(url, size) as each:
        return await at_once(each.until_none), each


async def bare(url: str, size: int, told: list[Script]) -> float:
    async with claims(url, size):
        pass
    path = sqlite_path(url)
    return await (_bare_sqlite(path, told) if path else _bare_mysql(url, told))


async def _bare_sqlite(path: str, told: list[Script]) -> float:
    db, writing, waiting = connect(path), asyncio.Lock(), iter(told)

    async def worker(_: int) -> None:
        for script in waiting:
            async with writing:
                for sql, params in script:
                    if isinstance(params, list):
                        db.executemany(sql, params)
                        continue
                    db.execute(BEGIN + " IMMEDIATE" if sql == BEGIN else sql, params).fetchall()

    seconds = await at_once(worker)
    db.close()
    return seconds


async def _bare_mysql(url: str, told: list[Script]) -> float:
    """Connections as the store opens them."""
    store = await MySQL.open(url, None, POOL)
    pool, waiting = store._pool, iter(told)

    async def worker(_: int) -> None:
        for script in waiting:
            connection = await pool.take()
            for _last, packet in script:
                await connection.run(*packet)
            pool.give_back(connection)

    seconds = await at_once(worker)
    await store.close()
    return seconds


# --- The figures ---------------------------------------------------------------------------------


async def measure(engine: str, size: int) -> tuple[float, float, int, int, int]:
    """Claims a second on the bare driver and by agents; tasks, claims, and how many twice."""
    with databases() as urls:
        told = await record_claims(urls[engine], size)
    with databases() as urls:
        floor = await bare(urls[engine], size, told)
    with databases() as urls:
        seconds, found = await contend(urls[engine], size)
    tasks = size // 10 - size // 100
    twice = len(found.tasks) - len(set(found.tasks))
    attempts = len(found.tasks) + found.refused
    return len(told) / floor, attempts / seconds, tasks, len(found.tasks), twice


async def grow(url: str, sizes: Sequence[int], *, analyze: bool) -> list[float]:
    """Milliseconds of a claim at each size, the median; in turns, so that all meet one machine."""
    upgrade(url)
    store = await open_store(url)
    here = Dispatcher(store, Shared(Keys(SECRET)))
    tenants = [Claims(here, installation) for installation in range(1, len(sizes) + 1)]
    for each, size in zip(tenants, sizes, strict=True):
        await seed(store, each.installation, size, analyze=analyze)
        await each.register(CLAIMS // OF_ONE)
    spent: list[list[float]] = [[] for _ in sizes]
    for n in range(CLAIMS):
        for each, times in zip(tenants, spent, strict=True):
            began = time.perf_counter()
            assert await each.claim(n // OF_ONE)
            times.append(time.perf_counter() - began)
    await store.close()
    return [median(times) * 1000 for times in spent]


async def show_growth(sizes: Sequence[int]) -> None:
    table = Table(title="claim_task of the best task, at several numbers of tasks (ms, median)")
    names = ("engine", "statistics", *(f"{size:,}" for size in sizes), "ratio", "at least")
    for name in names:
        table.add_column(name, justify="right")
    for analyze in (True, False):
        with databases() as urls:
            for engine, url in urls.items():
                found = await grow(url, sizes, analyze=analyze)
                ratio = (f"{found[0] / found[-1]:.2f}", str(GROWTH_GOAL))
                shown = (f"{each:.2f}" for each in found)
                table.add_row(engine, "yes" if analyze else "no", *shown, *ratio)
    Console().print(table)


async def show_contention() -> int:
    table = Table(title=f"claim_task a second, by {WORKERS} workers at once until no task is left")
    names = ("engine", "tasks", "bare driver", "hubbub", "ratio", "at least", "claimed twice")
    for name in names:
        table.add_column(name, justify="right")
    wrong = 0
    with databases() as urls:
        engines = list(urls)
    for engine in engines:
        for size in SIZES:
            rounds = [await measure(engine, size) for _ in range(ROUNDS)]
            wrong += sum(twice + abs(tasks - n) for _, _, tasks, n, twice in rounds)
            table.add_row(
                engine,
                str(rounds[0][2]),
                f"{median(each[0] for each in rounds):,.0f}",
                f"{median(each[1] for each in rounds):,.0f}",
                f"{median(each[1] / each[0] for each in rounds):.2f}",
                str(GOAL),
                str(sum(each[4] for each in rounds)),
            )
    Console().print(table)
    return 1 if wrong else 0


async def main(sizes: Sequence[int]) -> int:
    wrong = 0 if sizes else await show_contention()
    await show_growth(sizes or GROWN)
    return wrong


if __name__ == "__main__":
    sys.exit(asyncio.run(main([int(each) for each in sys.argv[1:]])))
