"""What it costs to share out a piece of work: workflows of parallel steps, in simulated time.

Each of the parallel steps takes its agent ten to twenty minutes. The floor is the slowest step; a
workflow with one step shows what coordination one agent alone has. The clock is stepped: nothing
here depends on how fast the machine is. Requests to GitHub are counted as it got them.
"""

import asyncio
import random
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bot.errors import Refused
from bot.workflows import effects
from store.engine.database import open_store
from store.engine.migrate import upgrade
from tests.benchmarks.day import Day, Life, Plan, is_read, is_token, kind
from tests.support.story import Agent, Clock, Workspace, open_workspace

SIZES = (1, 4, 8, 16)
SHORTEST_S, LONGEST_S = 600.0, 1200.0
CALL_EVERY_S = 300.0
FOLDER = ".github/hubbub/workflows"
GOALS = {"times": 2.0, "share": 0.10, "writes": 8}


@dataclass(frozen=True)
class Cost:
    """`total_s`: from the start until the workflow is completed. `slowest_s`: of its steps."""

    steps: int
    total_s: float
    slowest_s: float
    writes: Counter[str]

    @property
    def overhead_s(self) -> float:
        return self.total_s - self.slowest_s

    @property
    def writes_per_step(self) -> float:
        return sum(self.writes.values()) / self.steps


def definition(steps: int) -> str:
    head = f"parallel: {steps}\nsteps:\n"
    each = "  - id: part-{n}\n    title: Build part {n}\n    body: Build it.\n"
    return head + "".join(each.format(n=n) for n in range(1, steps + 1))


@dataclass
class Work:
    """The agents of one workflow. `left`: how many steps nobody has completed yet."""

    day: Day
    left: int
    slowest_s: float = 0
    over: bool = False

    async def live(self, agent: Agent) -> Life:
        dice = random.Random(agent.actor.name)  # noqa: S311 - how long a step takes
        while self.left:
            try:
                claimed = await agent.call("claim_task")
            except Refused:
                # An agent waits for events and is woken at once; a second is more than that.
                yield 1
                continue
            self.left -= 1
            seconds = dice.uniform(SHORTEST_S, LONGEST_S)
            self.slowest_s = max(self.slowest_s, seconds)
            async for pause in self._work(agent, claimed, seconds):
                yield pause
            mine = {"task": claimed["task"]["task"], "fence": claimed["fence"]}
            await agent.call("update_task_status", **mine, status="completed", result="Built.")

    async def _work(self, agent: Agent, claimed: dict[str, Any], seconds: float) -> Life:
        """Each call of the agent renews its lease."""
        while seconds > CALL_EVERY_S:
            yield CALL_EVERY_S
            seconds -= CALL_EVERY_S
            await agent.call("get_task", task=claimed["task"]["task"])
        yield seconds

    async def watch(self, looker: Agent, workflow: str) -> Life:
        while (await looker.call("get_workflow", workflow=workflow))["workflow"][
            "state"
        ] == "running":
            yield 1
        self.over = True


async def measure(here: Workspace, steps: int) -> Cost:
    """Play a workflow with so many parallel steps, each by an agent of its own."""
    name = f"parts-{steps}"
    here.person.push(
        here.repository, "main", {f"{FOLDER}/{name}.yml": definition(steps)}, base="main"
    )
    await here.settle()
    lead = await here.agent("lead", "tech-lead")
    agents = [await here.agent(f"agent-{steps}-{n}") for n in range(steps)]
    day = Day(here, Plan(hours=2), [here.repository], [])
    day.began = began = day.now
    seen = len(here.github.requests)
    repository = here.repository.full_name
    started = await lead.call("start_workflow", name=name, repository=repository)
    work = Work(day, steps)
    lives = [work.live(each) for each in agents]
    ends: list[float] = []

    async def note_end() -> Life:
        async for pause in work.watch(lead, started["id"]):
            yield pause
        ends.append(day.now)

    await day.live([*lives, note_end()])
    assert ends, "the workflow is completed within two hours"
    asked = [each for each in here.github.requests[seen:] if not is_token(each)]
    writes = Counter(kind(each) for each in asked if not is_read(each))
    return Cost(steps, ends[0] - began, work.slowest_s, writes)


async def main() -> None:
    show([await measured(steps) for steps in SIZES])


async def measured(steps: int) -> Cost:
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'workflows.db'}"
        upgrade(url)
        store = await open_store(url, clock, before_commit=effects.follow)
        try:
            async with open_workspace(store, clock, None) as here:
                return await measure(here, steps)
        finally:
            await store.close()


def show(costs: list[Cost]) -> None:
    alone = costs[0].overhead_s
    table = Table(title="Workflows of parallel steps, in simulated time")
    for column in (
        "steps",
        "slowest step s",
        "whole s",
        "of slowest + one agent's",
        "coordination",
        "writes a step",
    ):
        table.add_column(column, justify="right")
    for each in costs:
        table.add_row(
            str(each.steps),
            f"{each.slowest_s:.0f}",
            f"{each.total_s:.0f}",
            f"{each.total_s / (each.slowest_s + alone):.2f}",
            f"{each.overhead_s / each.total_s:.1%}",
            f"{each.writes_per_step:.1f}",
        )
    console = Console()
    console.print(table)
    for name, n in costs[-1].writes.most_common():
        console.print(f"{n:>5}  {name}", markup=False)
    console.print(f"goals: {GOALS}")


if __name__ == "__main__":
    asyncio.run(main())
