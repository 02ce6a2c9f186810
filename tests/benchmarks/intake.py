"""Webhook intake, durable before 2xx, against bare handlers; and how fast the inbox is emptied.

With --quick there is one short round.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import psutil
from rich.console import Console
from rich.table import Table

from bot.github import webhook_payloads
from bot.identity.keyring import Keys
from bot.inbox import worker
from bot.kernel.operation import Shared
from fixtures.github import SimulatedGitHub
from store.engine.database import open_store
from store.inbox import deliveries
from tests.benchmarks.processes import SECRET, databases, program, serve

T = TypeVar("T")

ROUNDS, QUICK_ROUNDS = 5, 1
DELIVERIES, QUICK_DELIVERIES = 1000, 300
# By connections, the baseline and the goals.
BARE, INSERTING = "HMAC", "HMAC, insert"
AT_ONCE: dict[int, tuple[str, dict[str, float]]] = {
    1: (INSERTING, {"SQLite": 0.6, "MariaDB": 0.6}),
    16: (BARE, {}),
    64: (BARE, {"SQLite": 0.6, "MariaDB": 0.4}),
}
DRAINED = {"SQLite": 1500, "MariaDB": 500}
COLUMNS = (
    "engine",
    "connections",
    "bare handler",
    "a second",
    "ms",
    "hubbub",
    "ms",
    "ratio",
    "at least",
)


@dataclass(frozen=True)
class Load:
    """How much is sent, and the file with the delivery that is sent again and again."""

    rounds: int
    deliveries: int
    path: Path


@dataclass(frozen=True)
class Rate:
    """Deliveries a second, and milliseconds of the server's processor for each."""

    a_second: float
    ms: float


async def template() -> dict[str, Any]:
    """An `issues.opened` as GitHub sends it."""
    async with SimulatedGitHub() as github:
        github.hold_deliveries()
        repository = github.repository("acme/rocket")
        github.install("acme", ["acme/rocket"])
        person = github.person("octocat", {"acme/rocket": "admin"})
        person.open_issue(repository, "Mend it", "Because it smokes. " * 50, labels=["bug"])
        sent = next(each for each in github.held_deliveries if each.event == "issues")
        found: dict[str, Any] = sent.payload
        return found


def server(address: tuple[str, int]) -> psutil.Process:
    """The process that listens there."""
    children = psutil.Process().children()
    return next(
        each
        for each in children
        if any(open_.laddr.port == address[1] for open_ in each.net_connections())
    )


def rate(address: tuple[str, int], first: int, at_once: int, load: Load) -> Rate:
    host, port = address
    n = load.deliveries
    given = (host, port, server(address).pid, first, n, at_once, load.path)
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.load", *map(str, given)],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, busy = map(float, done.stdout.split())
    return Rate(n / seconds, 1000 * busy / n)


async def fill(url: str, first: int, load: Load) -> None:
    """Store deliveries of one repository as the handler would; the first is about their label."""
    given = json.loads(load.path.read_text())
    (about,) = given["issue"]["labels"]
    sent = [("label", {**given, "action": "created", "label": about, "issue": None})]
    for number in range(first, first + load.deliveries):
        issue = {**given["issue"], "id": 10_000_000 + number, "number": number}
        sent.append(("issues", {**given, "issue": issue}))
    store = await open_store(url)
    for some in batched(sent, 100):
        arrived = [
            webhook_payloads.delivery(str(uuid.uuid4()), event, json.dumps(body).encode(), body)
            for event, body in some
        ]
        await store.write(partial(deliveries.receive, arrived=arrived))
    await store.close()


def batched(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for at in range(0, len(rows), size):
        yield rows[at : at + size]


async def drained(url: str) -> None:
    """Wait until the inbox is empty."""
    store = await open_store(url)
    q = "SELECT COUNT(*) AS n FROM deliveries WHERE state IN ('received', 'failed')"
    while (await store.read(lambda tx: tx.all(q)))[0]["n"]:  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.05)
    await store.close()


async def drain(url: str) -> Rate:
    """The worker's steps alone, in this process, until a full inbox is empty."""
    store = await open_store(url)
    q = "SELECT COUNT(*) AS n FROM deliveries WHERE state = 'received'"
    n = (await store.read(lambda tx: tx.all(q)))[0]["n"]
    began, spent = time.perf_counter(), time.process_time()
    while await worker.step(store, Shared(Keys(SECRET))):
        pass
    took, spent = time.perf_counter() - began, time.process_time() - spent
    await store.close()
    return Rate(n / took, 1000 * spent / n)


def compare_intake(table: Table, engine: str, url: str, load: Load, folder: str) -> int:
    """Add the rows of an engine. Return the number of the next issue."""
    first = 1
    own = f"sqlite:///{folder}/floor.db" if engine == "SQLite" else url
    with (
        program("tests.benchmarks.floor") as bare,
        program("tests.benchmarks.floor", FLOOR_DATABASE_URL=own) as inserting,
        program("bot", "serve", **serve(url)) as hubbub,
    ):
        for at_once, (name, goals) in AT_ONCE.items():
            floors, ours = [], []
            for _ in range(load.rounds):
                floors.append(rate(bare if name == BARE else inserting, first, at_once, load))
                ours.append(rate(hubbub, first, at_once, load))
                first += load.deliveries
                asyncio.run(drained(url))
            table.add_row(
                engine, str(at_once), name, *_compared(floors, ours), _goal(goals, engine)
            )
    return first


def _goal(goals: dict[str, float], engine: str) -> str:
    return f"{goals[engine]}" if engine in goals else ""


def _compared(floors: Sequence[Rate], ours: Sequence[Rate]) -> tuple[str, ...]:
    ratio = median(own.a_second / floor.a_second for own, floor in zip(ours, floors, strict=True))
    rates = (
        f"{median(each.a_second for each in rates):,.0f}|{median(each.ms for each in rates):.2f}"
        for rates in (floors, ours)
    )
    return (*(cell for each in rates for cell in each.split("|")), f"{ratio:.2f}")


def measure_drain(table: Table, engine: str, url: str, load: Load, first: int) -> None:
    found = []
    for nth in range(load.rounds):
        asyncio.run(fill(url, first + nth * load.deliveries, load))
        found.append(asyncio.run(drain(url)))
    rates, spent = [each.a_second for each in found], [each.ms for each in found]
    table.add_row(engine, f"{median(rates):,.0f}", f"{median(spent):.2f}", f"{DRAINED[engine]:,}")


def main(*, quick: bool = False) -> None:
    intake = Table(*COLUMNS, title="Webhook intake: deliveries a second, ms of processor for each")
    emptied = Table("engine", "a second", "ms", "at least", title="The inbox of one repository")
    with tempfile.TemporaryDirectory() as folder, databases() as urls:
        path = Path(folder) / "issue.json"
        path.write_text(json.dumps(asyncio.run(template())))
        much = (QUICK_ROUNDS, QUICK_DELIVERIES) if quick else (ROUNDS, DELIVERIES)
        load = Load(*much, path)
        for engine, url in urls.items():
            first = compare_intake(intake, engine, url, load, folder)
            measure_drain(emptied, engine, url, load, first)
    console = Console()
    console.print(intake)
    console.print(emptied)


if __name__ == "__main__":
    main(quick="--quick" in sys.argv[1:])
