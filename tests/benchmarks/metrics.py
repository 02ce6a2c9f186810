"""What a scrape of /metrics costs at 100,000 rows of each kind, and how long others wait for it."""

import asyncio
import secrets
import time
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table

from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.transaction import Store, Tx
from store.outbox import sender_leases
from tests.benchmarks.processes import SECRET, databases
from tests.support.tenant import ROWS, Tenant, insert
from webhooks import stored_metrics

SIZE = 100_000
# The rows of one statement: more would take longer than a statement may.
PART = 10_000
COUNTED = ("deliveries", "commands", "pending_reads", "writes", "tasks", "leases", "receipts")
# Of these there are as many as a team has.
FEW = {"agents": 1_000, "spending": 1_000}


async def seed(store: Store) -> None:
    made = Tenant(secrets.randbelow(2**40), 1, "me", "t_1", 1, 2, "issue 1#1", "th_1", "c_1")
    given = {
        "i": made.installation_id,
        "r": 1,
        "me": "me",
        "mine": "t_1",
        "number": 1,
        "target": "issue 1#1",
        "thread": "th_1",
        "labels": "",
        "head": 0,
    }
    now = await store.read(lambda tx: tx.now())
    for table, rows in {**dict.fromkeys(COUNTED, SIZE), **FEW}.items():
        for first in range(1, rows + 1, PART):
            more = {**given, "now": now, "hour": now // 3_600_000_000}
            n = min(PART, rows + 1 - first)
            await store.write(partial(insert_part, table=table, n=n, first=first, given=more))
    await store.write(
        lambda tx: sender_leases.acquire(tx, made.installation_id, "me", 30_000_000, 0)
    )


async def insert_part(tx: Tx, table: str, n: int, first: int, given: dict[str, Any]) -> None:
    await insert(tx, table, ROWS[table], n, first, **given)


async def longest_wait(stop: asyncio.Event) -> float:
    """How long another task waited for its turn, at worst, in seconds."""
    worst = 0.0
    while not stop.is_set():
        began = time.perf_counter()
        await asyncio.sleep(0)
        worst = max(worst, time.perf_counter() - began)
    return worst


async def measure(url: str) -> tuple[float, float]:
    """Milliseconds of a scrape, and those for which other tasks waited at worst."""
    upgrade(url)
    store = await open_store(url)
    await seed(store)
    shared = Shared(Keys(SECRET))
    await stored_metrics.render(store, shared)
    stop = asyncio.Event()
    waiting = asyncio.create_task(longest_wait(stop))
    await asyncio.sleep(0)
    began = time.perf_counter()
    text = await stored_metrics.render(store, shared)
    took = time.perf_counter() - began
    stop.set()
    worst = await waiting
    await store.close()
    Console().print(f"{len(text):,} bytes")
    return took * 1000, worst * 1000


def main() -> None:
    table = Table(title=f"The stored part of /metrics at {SIZE:,} rows of each kind (ms)")
    for name in ("engine", "in all", "others waited at most"):
        table.add_column(name, justify="right")
    with databases() as urls:
        for engine, url in urls.items():
            took, worst = asyncio.run(measure(url))
            table.add_row(engine, f"{took:.0f}", f"{worst:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
