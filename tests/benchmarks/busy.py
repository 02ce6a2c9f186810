"""What a hundred events on one issue cost of GitHub: the writes of Hubbub itself, by kind."""

import asyncio
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from store.engine.database import open_store
from store.engine.migrate import upgrade
from tests.support import busy_issue
from tests.support.busy_issue import Spent
from tests.support.story import Clock, open_workspace


async def measure() -> Spent:
    with tempfile.TemporaryDirectory(prefix="hubbub-busy-") as folder:
        url = f"sqlite:///{Path(folder) / 'busy.db'}"
        await asyncio.to_thread(upgrade, url)
        clock = Clock()
        store = await open_store(url, clock)
        try:
            async with open_workspace(store, clock, None) as workspace:
                return await busy_issue.play(workspace)
        finally:
            await store.close()


def table(spent: Spent) -> Table:
    made = Table(title=f"{spent.events} events on one issue", title_justify="left")
    made.add_column("writes by Hubbub itself")
    made.add_column("", justify="right")
    for kind, count in spent.own.most_common():
        made.add_row(kind, str(count))
    made.add_row("in all", str(spent.in_all))
    made.add_row("requests with writes", str(spent.writing_requests))
    made.add_row("requests that only read", str(spent.reading_requests))
    return made


if __name__ == "__main__":
    Console(width=100).print(table(asyncio.run(measure())))
