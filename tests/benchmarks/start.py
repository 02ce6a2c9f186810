"""Start of `serve`, `call` and `mcp` until the first answer; memory with many rows."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from bot.identity.keyring import Keys
from store.engine.database import open_store
from store.engine.migrate import upgrade
from tests.benchmarks.million import seed
from tests.benchmarks.processes import SECRET, databases, program, serve
from tests.support.api_keys import add_api_key

ROWS = 1_000_000
RUNS = 5
CALLS = 200
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "bench", "version": "1"},
    },
}
# Seconds, and megabytes.
GOALS = {
    "serve, first answer": "1.2",
    "call at a server": "0.6",
    "mcp at a server, first answer": "0.6",
    "serve, resident memory": "150",
}


async def make(url: str) -> str:
    """A database with many rows, and an agent's token."""
    upgrade(url)
    store = await open_store(url)
    installation_id = secrets.randbelow(2**40)
    await seed(store, installation_id, ROWS)
    token = await store.write(
        lambda tx: add_api_key(tx, Keys(SECRET), installation_id, "bench", "observer")
    )
    await store.close()
    return token


def best(run: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    """The least of several runs: seconds, and seconds of processor time."""
    runs = [run() for _ in range(RUNS)]
    return min(wall for wall, _ in runs), min(busy for _, busy in runs)


def child() -> psutil.Process:
    (found,) = [p for p in psutil.Process().children() if "serve" in p.cmdline()]
    return found


def busy_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def list_tasks(where: str, token: str) -> None:
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{where}/api/v1/list_tasks",
        data=b"{}",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310 - our own server
        response.read()


def first_answer(url: str, token: str) -> tuple[float, float]:
    began = time.perf_counter()
    with program("bot", "serve", **serve(url)) as (host, port):
        list_tasks(f"http://{host}:{port}", token)
        return time.perf_counter() - began, busy_of(child())


def command(*words: str, given: bytes, **environment: str) -> tuple[float, float]:
    """Until its first line of output. Its input stays open until then."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HUBBUB_")}
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "bot", *words],
        env=kept | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(given)
        process.stdin.flush()
        assert process.stdout.readline()
        if words[0] == "call":
            process.stdout.read()
        took, busy = time.perf_counter() - began, busy_of(psutil.Process(process.pid))
    return took, busy


def measure(url: str, token: str) -> dict[str, tuple[float, float | None]]:
    """Of each figure: seconds and seconds of processor time, or megabytes."""
    line = json.dumps(INITIALIZE).encode() + b"\n"
    found: dict[str, tuple[float, float | None]] = {
        "serve, first answer": best(lambda: first_answer(url, token))
    }
    with program("bot", "serve", **serve(url)) as (host, port):
        where = f"http://{host}:{port}"
        given = {"HUBBUB_URL": where, "HUBBUB_TOKEN": token}
        for _ in range(CALLS):
            list_tasks(where, token)
        found["call at a server"] = best(lambda: command("call", "list_tasks", given=b"", **given))
        found["mcp at a server, first answer"] = best(lambda: command("mcp", given=line, **given))
        found["serve, resident memory"] = (child().memory_info().rss / 2**20, None)
    database = serve(url) | {"HUBBUB_TOKEN": token}
    found["call on the database"] = best(
        lambda: command("call", "list_tasks", given=b"", **database)
    )
    found["mcp on the database, first answer"] = best(
        lambda: command("mcp", given=line, **database)
    )
    return found


def main() -> None:
    table = Table(title=f"Start, with {ROWS:,} tasks (the least of {RUNS} runs)")
    for name in ("engine", "figure", "s or MB", "processor, s", "at most"):
        table.add_column(name, justify="right")
    with databases() as urls:
        for engine, url in urls.items():
            for name, (amount, busy) in measure(url, asyncio.run(make(url))).items():
                spent = "" if busy is None else f"{busy:.2f}"
                table.add_row(engine, name, f"{amount:.2f}", spent, GOALS.get(name, ""))
    Console().print(table)


if __name__ == "__main__":
    main()
