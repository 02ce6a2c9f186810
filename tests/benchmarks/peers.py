"""Five agents for 31 minutes: what they take of GitHub's budgets, beside what a peer reported.

The story is that of `day`, with the clock stepped. GitHub counts a REST request against one hourly
limit and a GraphQL document against another, at a point each here, because no document asks for a
list of more than a hundred. `python -m tests.benchmarks.peers`.
"""

import asyncio
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from store.engine.database import open_store
from store.engine.migrate import upgrade
from tests.benchmarks import day
from tests.benchmarks.day import HOUR, MINUTE, Day, Plan
from tests.support.story import Clock, open_workspace

SPAN = 31 * MINUTE
# Long enough for all agents to be in the middle of their work, with reviews and merges.
PLAN = Plan(agents=5, issues=60, before=20, hours=4)
# A peer's own: https://github.com/Untrivial-ai/agent-orchestrator/pull/1238
REPORTED = 4_944
# GitHub's limit of points an hour for a small installation, by REST and by GraphQL each.
AN_HOUR = 5_000


@dataclass(frozen=True)
class Taken:
    """The most that was taken within the span, and what was done in the whole story."""

    rest: int
    graphql: int
    app: int
    happened: Counter[str]
    broken: list[str]


async def play() -> Taken:
    clock = Clock()
    with day.folder() as name:
        url = f"sqlite:///{Path(name) / 'peers.db'}"
        upgrade(url)
        store = await open_store(url, clock)
        try:
            async with open_workspace(store, clock, None) as here:
                story = await day.begin(here, PLAN)
                await day.play(story)
                return taken(story)
        finally:
            await store.close()


def taken(story: Day) -> Taken:
    mine = story.here.installation.id
    # An answer that says that nothing changed costs nothing.
    charged = [each for each in story.here.github.requests if each.status != 304]
    own = [each for each in charged if each.installation_id == mine]
    graphql = [each.at for each in own if each.route == day.GRAPHQL]
    rest = [each.at for each in own if each.route != day.GRAPHQL]
    app = [each.at for each in charged if each.installation_id != mine and each.at > story.began]
    return Taken(
        day.most_within(rest, SPAN),
        day.most_within(graphql, SPAN),
        day.most_within(app, SPAN),
        story.happened,
        day.broken_limits(story.here),
    )


def table(found: Taken) -> Table:
    shown = Table(
        "figure", "a peer", "Hubbub", title="Five agents, the busiest 31 minutes of four hours"
    )
    shown.add_row("GraphQL points", f"{REPORTED:,}", str(found.graphql))
    shown.add_row("REST requests", "not reported", str(found.rest))
    shown.add_row("… of the App itself, for repair", "", str(found.app))
    hourly = HOUR / SPAN / AN_HOUR
    shown.add_row("GraphQL limit", _share(REPORTED * hourly), _share(found.graphql * hourly))
    shown.add_row("REST limit", "not reported", _share(found.rest * hourly))
    for name, n in sorted(found.happened.items()):
        shown.add_row(f"in four hours: {name}", "", str(n))
    return shown


def _share(part: float) -> str:
    return f"{100 * part:.1f} %"


async def main() -> int:
    console = Console(width=100)
    found = await play()
    console.print(table(found))
    for each in found.broken[:20]:
        console.print(each)
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
