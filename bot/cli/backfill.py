"""`hubbub backfill`: fetches repositories whole, or watches `serve` do it, with a bar for each."""

import asyncio

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from bot.background.request_scheduler import Sender
from bot.cli import local_origin, repositories
from bot.cli.output import say, warn
from bot.cli.session import open_session
from bot.fetch import backfill
from bot.github.client import open_client
from bot.mirror import reads
from bot.settings import GitHubApp, Settings
from store.engine.transaction import Store, Tx
from store.fetch import backfills, pending_reads
from store.fetch.backfills import PartProgress
from store.mirror.stored_repositories import RepositoryName

# After this many failures in a row, of any parts, GitHub itself does not work.
PATIENCE = 3
LOOK_EVERY_S = 0.5


async def watch(loaded: Settings, app: GitHubApp, repository: str | None, *, again: bool) -> int:
    """Until all is fetched: 0, or 1 when GitHub does not give it."""
    async with open_session(loaded) as session, open_client(app) as github:
        store = session.store
        chosen = await store.read(lambda tx: repositories.selection(tx, repository))
        if again:
            await store.write(lambda tx: _begin(tx, chosen))
        await backfill.begin_missing(store)
        sender = Sender(store, github, keys=session.keys)
        try:
            return await _watch(store, sender, {row["id"]: row for row in chosen})
        finally:
            await sender.release()


async def _begin(tx: Tx, chosen: list[RepositoryName]) -> None:
    for row in chosen:
        await backfill.begin(tx, row["installation_id"], row["id"])
        await local_origin.record(tx, row["installation_id"], "backfill --again", row["full_name"])


async def _watch(store: Store, sender: Sender, chosen: dict[int, RepositoryName]) -> int:
    installations = sorted({row["installation_id"] for row in chosen.values()})
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as bars:
        shown: dict[int, TaskID] = {}
        while True:
            # The process with the lease fetches: this one, or a running server.
            waits = [await sender.step(i) for i in installations]
            rows = [
                row
                for i in installations
                for row in await store.read(lambda tx, i=i: backfills.progress(tx, i))  # type: ignore[misc]
                if row["repository_id"] in chosen
            ]
            _show(bars, shown, rows)
            left = [row for row in rows if row["state"] == "queued"]
            reads = [await store.read(lambda tx, i=i: _reads(tx, i)) for i in installations]  # type: ignore[misc]
            if not left and not any(reads):
                break
            if left and all(row["attempts"] >= PATIENCE for row in left):
                warn(f"GitHub does not answer: {left[0]['error']}")
                return 1
            await asyncio.sleep(min([wait for wait in waits if wait is not None] or [LOOK_EVERY_S]))
    return _report(rows)


async def _reads(tx: Tx, installation_id: int) -> int:
    return await pending_reads.waiting(tx, installation_id, reads.LATER)


def _show(bars: Progress, shown: dict[int, TaskID], rows: list[PartProgress]) -> None:
    for repository_id in {row["repository_id"] for row in rows}:
        parts = [row for row in rows if row["repository_id"] == repository_id]
        seen = sum(row["seen"] for row in parts)
        expected = sum(max(row["expected"] or 0, row["seen"]) for row in parts)
        if repository_id not in shown:
            shown[repository_id] = bars.add_task(parts[0]["name"], total=None)
        whole = all(row["state"] != "queued" for row in parts)
        bars.update(shown[repository_id], completed=seen, total=seen if whole else expected)


def _report(rows: list[PartProgress]) -> int:
    """A line for each repository with what was fetched, and lines for what was refused."""
    for name in sorted({row["name"] for row in rows}):
        parts = [row for row in rows if row["name"] == name]
        seen, calls = sum(row["seen"] for row in parts), sum(row["calls"] for row in parts)
        say(f"{name}: {seen} items fetched in {calls} calls")
    refused = [row for row in rows if row["state"] == "refused"]
    for row in refused:
        warn(f"{row['name']}: GitHub refuses {row['part']}: {row['error']}")
    return 1 if refused else 0
