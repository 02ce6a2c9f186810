"""Webhook intake, durable before 2xx, against a bare handler that checks the signature."""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from fixtures.github import SimulatedGitHub
from store.engine.database import open_store
from tests.benchmarks.processes import databases, program, serve

ROUNDS = 5
DELIVERIES = 1000
AT_ONCE = (1, 16, 64)
GOAL = {"SQLite": 0.6, "MariaDB": 0.4}


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


def rate(address: tuple[str, int], first: int, at_once: int, path: Path) -> float:
    """Deliveries a second."""
    host, port = address
    arguments = (host, str(port), str(first), str(DELIVERIES), str(at_once), str(path))
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.load", *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return DELIVERIES / float(done.stdout)


async def drain(url: str) -> float:
    """Seconds until the inbox is empty."""
    began = time.perf_counter()
    store = await open_store(url)
    q = "SELECT COUNT(*) AS n FROM deliveries WHERE state IN ('received', 'failed')"
    while (await store.read(lambda tx: tx.all(q)))[0]["n"]:  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.05)
    await store.close()
    return time.perf_counter() - began


def main() -> None:
    table = Table(title="Webhook intake, deliveries a second")
    for name in (
        "engine",
        "connections",
        "bare handler",
        "hubbub",
        "ratio",
        "at least",
        "drained/s",
    ):
        table.add_column(name, justify="right")
    first = 1
    with tempfile.TemporaryDirectory() as folder, databases() as urls:
        path = Path(folder) / "issue.json"
        path.write_text(json.dumps(asyncio.run(template())))
        for engine, url in urls.items():
            with (
                program("tests.benchmarks.floor") as bare,
                program("bot", "serve", **serve(url)) as hubbub,
            ):
                for at_once in AT_ONCE:
                    floors, rates, drains = [], [], []
                    for _ in range(ROUNDS):
                        floors.append(rate(bare, first, at_once, path))
                        rates.append(rate(hubbub, first, at_once, path))
                        first += DELIVERIES
                        drains.append(DELIVERIES / asyncio.run(drain(url)))
                    ratio = median(r / f for r, f in zip(rates, floors, strict=True))
                    table.add_row(
                        engine,
                        str(at_once),
                        f"{median(floors):,.0f}",
                        f"{median(rates):,.0f}",
                        f"{ratio:.2f}",
                        f"{GOAL[engine]}",
                        f"{median(drains):,.0f}",
                    )
    Console().print(table)


if __name__ == "__main__":
    main()
