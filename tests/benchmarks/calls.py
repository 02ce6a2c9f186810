"""Tools over Streamable HTTP, against a tool that does nothing on a bare server of the library."""

import asyncio
import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from itertools import count, product
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

from psutil import Process
from rich.console import Console
from rich.table import Table

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from store.engine import key_values
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.transaction import Tx
from store.mirror import search_index
from tests.benchmarks.callers import Server, request
from tests.benchmarks.million import seed
from tests.benchmarks.processes import SECRET, databases, program, serve
from tests.support.api_keys import add_api_key

ROUNDS = 3
AT_ONCE = 16
CALLS = 25  # of each caller, in a round
# An agent claims so many tasks: those that it holds without using their fences cost each call more.
CLAIMS_OF_AGENT = 3
TASKS = 60_000  # one of ten is open, most of these are ready
ERAS = ("modern", "legacy")
# At least this much of the bare server's rate, by era, tool and engine.
READING = {
    "modern": {"SQLite": 1.0, "MariaDB, aiomysql": 0.45, "MariaDB, asyncmy": 0.6},
    "legacy": {"SQLite": 1.8, "MariaDB, aiomysql": 0.8, "MariaDB, asyncmy": 0.8},
}
CLAIMING = {
    "modern": {"SQLite": 0.5, "MariaDB, aiomysql": 0.2, "MariaDB, asyncmy": 0.2},
    "legacy": {},
}
GOALS = {"get_task": READING, "list_tasks": READING, "claim_task": CLAIMING}
Arguments = Callable[[int], dict[str, Any]]
TOOLS: dict[str, Arguments] = {
    "get_task": lambda n: {"task": f"acme/r{n % 10}#{n * 10 + n % 10 or 10}"},
    "list_tasks": lambda _: {},
    "claim_task": lambda _: {},
}


@dataclass(frozen=True)
class Workspace:
    """A seeded installation, and tokens of its agents."""

    installation_id: int
    tokens: list[str]

    def of_reads(self) -> list[list[str]]:
        """For each connection and each of its calls a token: one for all."""
        return [[token] * CALLS for token in self.tokens[:AT_ONCE]]

    def of_claims(self) -> list[list[str]]:
        """The same: a new one after a few calls."""
        return [
            [
                token
                for token in self._take(ceil(CALLS / CLAIMS_OF_AGENT))
                for _ in range(CLAIMS_OF_AGENT)
            ][:CALLS]
            for _ in range(AT_ONCE)
        ]

    def _take(self, n: int) -> list[str]:
        return [self.tokens.pop() for _ in range(n)]


async def fill(url: str, agents: int, tasks: int = TASKS) -> Workspace:
    upgrade(url)
    store = await open_store(url)
    dispatcher = Dispatcher(store, Shared(Keys(SECRET)))
    where = secrets.randbelow(2**40)
    await seed(store, where, tasks)
    names = [f"bench-{n}" for n in range(agents)]
    for each in names:
        actor = Actor(where, each, "developer")
        await dispatcher.call(actor, "register_agent", {"agent_id": each, "name": each})

    async def made(tx: Tx) -> list[str]:
        return [
            await add_api_key(tx, dispatcher.shared.keys, where, each, "developer")
            for each in names
        ]

    tokens = await store.write(made)
    # What is seeded is not indexed meanwhile.
    await store.write(lambda tx: key_values.put(tx, search_index.REACHED, search_index.DONE))
    await store.close()
    return Workspace(where, tokens)


def run_callers(server: Server, requests: list[list[str]], every_s: float = 0) -> dict[str, Any]:
    """By callers in a process of their own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.json"
        plan = {"server": asdict(server), "requests": requests, "every_s": every_s}
        path.write_text(json.dumps(plan))
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.callers", str(path)],
            check=False,
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def server(module: str, address: tuple[str, int], path: str = "/mcp") -> tuple[Server, Process]:
    """Where it listens, and its process."""
    found = (each for each in Process().children(recursive=True) if module in each.cmdline())
    return Server(*address, path), next(found)


Measured = tuple[float, float]


def measure(
    at: tuple[Server, Process],
    era: str,
    tokens: list[list[str]],
    tool: str,
    given: Arguments,
    first: int,
) -> Measured:
    """Calls a second, and milliseconds of the server's processor for each.

    `tokens`: by connection, one for each call.
    """
    where, process = at
    n = count(first)
    requests = [
        [request(where, era, token, tool, given(next(n))) for token in of_one] for of_one in tokens
    ]
    before = process.cpu_times()
    seconds = float(run_callers(where, requests)["seconds"])
    after = process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    n_calls = AT_ONCE * CALLS
    return n_calls / seconds, 1000 * spent / n_calls


def compare(
    bare: tuple[Server, Process],
    hubbub: tuple[Server, Process],
    workspace: Workspace,
    era: str,
    tool: str,
) -> list[str]:
    """Rates and processor time of both, medians of rounds in turns, and their ratios."""
    floors, ours = [], []
    for n in range(ROUNDS):
        first = 1 + n * AT_ONCE * CALLS
        tokens = workspace.of_claims() if tool == "claim_task" else workspace.of_reads()
        floors.append(measure(bare, era, tokens, "nothing", lambda _: {"task": "1"}, first))
        ours.append(measure(hubbub, era, tokens, tool, TOOLS[tool], first))
    pairs = list(zip(ours, floors, strict=True))
    return [
        f"{median(rate for rate, _ in floors):,.0f}",
        f"{median(rate for rate, _ in ours):,.0f}",
        f"{median(us[0] / floor[0] for us, floor in pairs):.2f}",
        f"{median(cpu for _, cpu in floors):.2f}",
        f"{median(cpu for _, cpu in ours):.2f}",
        f"{median(floor[1] / us[1] for us, floor in pairs):.2f}",
    ]


def with_drivers(urls: dict[str, str]) -> dict[str, str]:
    """The databases, that on MariaDB by each driver that is installed."""
    found = {"SQLite": urls["SQLite"]}
    if mysql := urls.get("MariaDB"):
        drivers = [each for each in ("aiomysql", "asyncmy") if find_spec(each)]
        address = mysql.partition("://")[2]
        found |= {f"MariaDB, {each}": f"mysql+{each}://{address}" for each in drivers}
    return found


def rows_of(engine: str, url: str) -> Iterator[list[str]]:
    claims = len(ERAS) * ROUNDS * AT_ONCE * ceil(CALLS / CLAIMS_OF_AGENT)
    workspace = asyncio.run(fill(url, AT_ONCE + claims))
    with (
        program("tests.benchmarks.bare") as bare,
        program("bot", "serve", **serve(url)) as hubbub,
    ):
        at = (server("tests.benchmarks.bare", bare, "/mcp/"), server("serve", hubbub))
        # The library is loaded beside the first requests.
        measure(at[1], ERAS[0], workspace.of_reads(), "get_budget", lambda _: {}, 1)
        for (tool, goals), era in product(GOALS.items(), ERAS):
            found = compare(*at, workspace, era, tool)
            yield [engine, era, tool, *found, f"{goals[era].get(engine, '')}"]


def main() -> None:
    table = Table(title=f"Calls over {AT_ONCE} connections: a second, and ms of processor for each")
    columns = ("engine", "era", "tool", "bare/s", "hubbub/s", "ratio")
    for name in (*columns, "bare, ms", "hubbub, ms", "ratio of ms", "at least"):
        table.add_column(name, justify="right")
    with databases() as urls:
        for engine, url in with_drivers(urls).items():
            for row in rows_of(engine, url):
                table.add_row(*row)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
