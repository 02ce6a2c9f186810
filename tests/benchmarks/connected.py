"""Agents that are connected, each with a call every few seconds: how long a call takes."""

import asyncio
import random
from statistics import median, quantiles
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.callers import Server, request
from tests.benchmarks.calls import fill, run_callers
from tests.benchmarks.processes import databases, program, serve

AGENTS = {"SQLite": (500, 1000, 2000), "MariaDB": (500, 1000)}
EVERY_S = 5.0
CALLS = 6  # of each agent: half a minute
TASKS = 30_000
GOAL_MS = 250  # p99 with so many agents:
GOAL_AGENTS = {"SQLite": 2000, "MariaDB": 1000}
# Of a hundred calls, these: what an agent at work asks for.
MIX = {
    "get_task": 30,
    "list_tasks": 15,
    "get_messages": 20,
    "update_agent": 10,
    "send_message": 10,
    "github_search": 5,
    "get_budget": 5,
    "claim_task": 5,
}


def arguments(tool: str, n: int, agents: int, dice: random.Random) -> dict[str, Any]:
    task = dice.randrange(1, TASKS // 10) * 10
    given: dict[str, dict[str, Any]] = {
        "get_task": {"task": f"acme/r0#{task}"},
        "list_tasks": {"limit": 20},
        "get_messages": {},
        "update_agent": {"system": f"bench {n}"},
        "send_message": {"to": f"bench-{dice.randrange(agents)}", "body": "The build is green."},
        "github_search": {"query": "smokes nobody", "limit": 5},
        "get_budget": {},
        "claim_task": {},
    }
    return given[tool]


def plan(server: Server, era: str, tokens: list[str]) -> list[list[str]]:
    dice = random.Random(4711)  # noqa: S311 - the same calls each time
    tools, weights = list(MIX), list(MIX.values())
    return [
        [
            request(server, era, token, tool, arguments(tool, k, len(tokens), dice))
            for k, tool in enumerate(dice.choices(tools, weights, k=CALLS))
        ]
        for token in tokens
    ]


def main() -> None:
    table = Table(title=f"Connected agents, a call every {EVERY_S:.0f} s: ms")
    for name in ("engine", "agents", "calls/s", "p50", "p99", "most", "callers' CPU", "p99 goal"):
        table.add_column(name, justify="right")
    with databases() as urls:
        for engine, url in urls.items():
            workspace = asyncio.run(fill(url, max(AGENTS[engine]), TASKS))
            with program("bot", "serve", **serve(url)) as hubbub:
                server = Server(*hubbub)
                # The library of MCP is loaded beside the first requests.
                run_callers(
                    server, [[request(server, "modern", workspace.tokens[0], "get_budget", {})]]
                )
                for agents in AGENTS[engine]:
                    done = run_callers(
                        server, plan(server, "modern", workspace.tokens[:agents]), EVERY_S
                    )
                    took = [1000 * each for each in done["took"]]
                    table.add_row(
                        engine,
                        f"{agents:,}",
                        f"{len(took) / done['seconds']:.0f}",
                        f"{median(took):.1f}",
                        f"{quantiles(took, n=100)[98]:.1f}",
                        f"{max(took):.0f}",
                        f"{done['cpu'] / done['seconds']:.2f}",
                        f"{GOAL_MS}" if agents == GOAL_AGENTS.get(engine) else "",
                    )
    Console().print(table)


if __name__ == "__main__":
    main()
