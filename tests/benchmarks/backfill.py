"""Twenty thousand issues fetched by a server that is killed twice on its way."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fixtures.github import Repository, SimulatedGitHub
from store.engine.database import open_store
from store.engine.transaction import Row, Store, Tx
from tests.benchmarks.processes import SECRET, databases

ISSUES, PULLS = 20_000, 200
# Of the pages there are, as many are in when it is killed.
KILLS = (1 / 3, 2 / 3)
PAGES = (2 * ISSUES + 2 * PULLS) // 100
# A successor waits for the dead one's lease.
PATIENCE_S = 900


def start(folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HUBBUB_")}
    return subprocess.Popen(
        [sys.executable, "-m", "bot", "serve"],
        env=kept | environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=(folder / "log").open("a"),
        text=True,
    )


async def listening(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = await asyncio.to_thread(process.stdout.readline)
    return line.strip().rpartition(" ")[2]


def pages(github: SimulatedGitHub) -> list[str]:
    """The addresses of the pages asked for."""
    ends = ("/issues", "/comments", "/pulls")
    return [f"{each.path}?{each.at}" for each in github.requests if each.path.endswith(ends)]


async def whole(store: Store, repository: Repository) -> bool:
    async def found(tx: Tx) -> tuple[set[tuple[str, ...]], set[tuple[int, str]]]:
        issues = await tx.all("SELECT number, title, state FROM issues WHERE deleted = 0")
        comments = await tx.all("SELECT id, body FROM comments WHERE deleted = 0")
        return (
            {(str(r["number"]), r["title"], r["state"]) for r in issues},
            {(r["id"], r["body"]) for r in comments},
        )

    issues, comments = await store.read(found)
    threads = repository.threads.values()
    return issues == {(str(t.number), t.title, t.state) for t in threads} and comments == {
        (c.id, c.body) for t in threads for c in t.comments
    }


async def queued_parts(store: Store) -> int:
    async def work(tx: Tx) -> Row | None:
        return await tx.one(
            "SELECT (SELECT COUNT(*) FROM backfills WHERE state = 'queued') + (SELECT COUNT(*) "
            "FROM pending_reads WHERE state = 'queued') AS n, (SELECT COUNT(*) FROM backfills) AS m"
        )

    row = await store.read(work)
    assert row is not None
    return int(row["n"]) if row["m"] else 1


async def run(engine: str, url: str, table: Table) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        async with SimulatedGitHub() as github:
            repository = github.repository("acme/rocket", private=True)
            github.seed(repository, issues=ISSUES, comments_each=1, pulls=PULLS)
            environment = {
                "HUBBUB_DATABASE_URL": url,
                "HUBBUB_SECRET_KEY": SECRET,
                "HUBBUB_PORT": "0",
                "HUBBUB_LOG_LEVEL": "warning",
                "HUBBUB_GITHUB_APP_ID": str(github.app.id),
                "HUBBUB_GITHUB_PRIVATE_KEY": github.app.private_key,
                "HUBBUB_GITHUB_WEBHOOK_SECRET": github.app.webhook_secret,
                "HUBBUB_GITHUB_API_URL": github.url,
            }
            began = time.monotonic()
            process = start(Path(folder), environment)
            github.app.webhook_url = f"{await listening(process)}/webhooks/github"
            github.install("acme", ["acme/rocket"])
            await github.wait_for_deliveries()
            for share in KILLS:
                await until(lambda s=share: len(pages(github)) >= s * PAGES)  # type: ignore[misc]
                process.kill()
                process.wait()
                process = start(Path(folder), environment)
                await listening(process)
            store = await open_store(url)
            end = time.monotonic() + PATIENCE_S
            while await queued_parts(store) and time.monotonic() < end:  # noqa: ASYNC110 - of a process
                await asyncio.sleep(1)
            seconds = time.monotonic() - began
            process.terminate()
            process.wait()
            same = await whole(store, repository)
            await store.close()
        by_route = Counter(each.route.rpartition("/")[2] for each in github.requests)
        table.add_row(
            engine,
            str(len(pages(github))),
            str(PAGES),
            str(sum(by_route.values())),
            f"{seconds:.0f}",
            "yes" if same else "NO",
        )
        return same


async def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds() and time.monotonic() < end:  # noqa: ASYNC110 - of a process
        await asyncio.sleep(0.05)


def main() -> int:
    table = Table(title=f"{ISSUES} issues with a comment each, {PULLS} pull requests; two kills")
    for name in ("engine", "pages asked for", "pages there are", "calls", "seconds", "whole"):
        table.add_column(name, justify="right")
    with databases() as urls:
        good = [asyncio.run(run(engine, url, table)) for engine, url in urls.items()]
    Console().print(table)
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
