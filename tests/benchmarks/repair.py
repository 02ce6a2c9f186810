"""A simulated hour in which three of ten deliveries are lost, and what it takes to mend that."""

import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bot.fetch import backfill
from bot.fetch.missed_deliveries import Repair
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.inbox import missed_deliveries
from tests.support.mirror_oracle import of_github, of_mirror
from tests.support.story import Clock, Workspace, open_workspace

DELIVERIES = 5000
LOST = 0.3
HOUR_S = 3600
# Deliveries that a story of one issue makes.
EACH = 5


async def an_hour(here: Workspace) -> None:
    stories = DELIVERIES // EACH
    for n in range(stories):
        pause = HOUR_S / stories / EACH
        issue = here.person.open_issue(here.repository, f"Issue {n}")
        here.clock.forward(pause)
        comment = here.person.comment(issue, "It smokes")
        here.clock.forward(pause)
        here.person.edit_comment(comment, "It burns")
        here.clock.forward(pause)
        here.person.edit_issue(issue, title=f"Issue {n}, put out")
        here.clock.forward(pause)
        here.person.close(issue)
        here.clock.forward(pause)
        if n % 50 == 0:
            await here.settle()
    await here.settle()


async def whole(here: Workspace) -> bool:
    return await of_mirror(here, here.repository) == of_github(here.repository)


async def main() -> int:
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'repair.db'}"
        upgrade(url)
        store = await open_store(url, clock)
        async with open_workspace(store, clock, None) as here:
            await backfill.begin_missing(here.dispatcher.store)
            await here.settle()
            repair = Repair(
                here.dispatcher.store, here.sender.github, keys=here.dispatcher.shared.keys
            )
            while await repair.step() < 1:
                pass
            before = len(here.github.deliveries)
            here.github.lose_deliveries(LOST, seed=1)
            await an_hour(here)
            here.github.lose_deliveries(0)
            sent = here.github.deliveries[before:]
            gone = [each for each in sent if each.status_code == 502]
            asked, began = len(here.github.requests), clock.at
            missed = not await whole(here)
            for _ in range(100_000):
                clock.forward(await repair.step())
                await here.github.wait_for_deliveries()
                await here.settle()
                if not await store.read(missed_deliveries.count) and await whole_when_idle(
                    here, repair
                ):
                    break
            ended = await whole(here)
            calls = Counter(f"{r.method} {r.route}" for r in here.github.requests[asked:])
            show(len(sent), len(gone), calls, (clock.at - began) / 1_000_000, ended=ended)
        await store.close()
    return 0 if missed and ended else 1


async def whole_when_idle(here: Workspace, repair: Repair) -> bool:
    return repair._survey is None and await whole(here)


def show(sent: int, gone: int, calls: Counter[str], seconds: float, *, ended: bool) -> None:
    table = Table(title="An hour with three of ten deliveries lost", show_header=False)
    table.add_row("deliveries", str(sent))
    table.add_row("lost", str(gone))
    for name, n in sorted(calls.items()):
        table.add_row(name, str(n))
    table.add_row("calls in all", str(sum(calls.values())))
    table.add_row("simulated minutes until whole", f"{seconds / 60:.0f}")
    table.add_row("the mirror is as GitHub is", "yes" if ended else "NO")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
