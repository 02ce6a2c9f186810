"""Two servers on one MariaDB contend for the sender's lease, and are killed while they write."""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fixtures.github import Installation, Issue, Repository, SimulatedGitHub
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.transaction import Store, Tx
from store.outbox import writes
from tests.benchmarks.processes import databases
from tests.support.server_process import Serving, serving
from tests.support.story import PERMISSIONS

WRITES = 100
KILLS = 4
AGENTS = 5
# Of the writes, how many meet one of these.
FAULTS = 0.2
# Of the kills, how many befall the other server too.
BOTH = 0.5
KINDS_OF_FAULT = ("502_after", "close_after", "close", "502", "500")
WRITTEN = r"/(comments|issues|git/refs|check-runs)$"
LOOK_EVERY_S = 0.1
# Longer than any lease, its grace, and the longest pause.
PATIENCE_S = 180


@dataclass(frozen=True)
class Outcome:
    """`effects`: how often each write took effect. `limits`: a sentence for each one passed."""

    kills: int
    takeovers: int
    faults: int
    effects: list[int]
    states: list[str]
    limits: list[str]
    seconds: float

    @property
    def duplicates(self) -> int:
        return sum(each > 1 for each in self.effects)

    @property
    def losses(self) -> int:
        return sum(each == 0 for each in self.effects)


@dataclass
class Place:
    """A repository, what is written there, and by whom."""

    github: SimulatedGitHub
    store: Store
    repository: Repository
    installation: Installation
    issues: list[Issue]
    dice: random.Random
    effects: list[Callable[[], int]] = field(default_factory=list)
    holders: list[str] = field(default_factory=list)
    faults: int = 0

    def done(self) -> int:
        return sum(each() > 0 for each in self.effects)

    async def queue(self) -> None:
        """Queue the next write."""
        n = len(self.effects)
        kind, arguments, effects = KINDS[n % len(KINDS)](self, f"write-{n}.")
        self.effects.append(effects)

        async def work(tx: Tx) -> None:
            await writes.queue(
                tx,
                self.installation.id,
                kind=kind,
                repository_id=self.repository.id,
                target=f"write {n}",
                arguments=arguments,
                author=f"agent-{n % AGENTS}",
            )

        await self.store.write(work)

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        return await self.store.read(lambda tx: tx.all(sql, i=self.installation.id))

    async def settle(self) -> None:
        """Until the mirror has what was there before."""
        here = "WHERE installation_id = :i"
        q = (
            f"SELECT (SELECT COUNT(*) FROM issues {here}) AS issues, "
            f"(SELECT COUNT(*) FROM pending_reads {here} AND state = 'queued') + "
            f"(SELECT COUNT(*) FROM backfills {here} AND state = 'queued') AS waiting"
        )
        await self.until(lambda rows: rows[0] == {"issues": len(self.issues), "waiting": 0}, q)

    async def until(self, so: Callable[[list[dict[str, Any]]], bool], sql: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not so(await self.rows(sql)):  # noqa: ASYNC110 - of other processes
                await asyncio.sleep(LOOK_EVERY_S)

    async def taken_over(self) -> None:
        """Until the lease is another's."""
        held = self.holders[-1]
        q = "SELECT holder FROM senders WHERE installation_id = :i"
        await self.until(lambda rows: rows[0]["holder"] not in ("", held), q)
        await self.note_holder()

    async def note_holder(self) -> None:
        (row,) = await self.rows("SELECT holder FROM senders WHERE installation_id = :i")
        self.holders.append(row["holder"])

    async def go_on(self, until: int) -> None:
        """Until a moment after so many writes took effect; now and then GitHub fails."""
        before = self.done()
        async with asyncio.timeout(PATIENCE_S):
            while (now := self.done()) < until:
                if now > before and self.dice.random() < FAULTS:
                    self.github.fault("POST", WRITTEN, self.dice.choice(KINDS_OF_FAULT))
                    self.faults += 1
                before = now
                await asyncio.sleep(LOOK_EVERY_S)
            await asyncio.sleep(self.dice.random() * 2)

    async def final_states(self) -> list[str]:
        """Until nothing is under way: the state of each write."""
        q = "SELECT state FROM writes WHERE installation_id = :i ORDER BY seq"
        await self.until(lambda rows: all(row["state"] in writes.FINAL for row in rows), q)
        return [row["state"] for row in await self.rows(q)]


def comment(place: Place, text: str) -> tuple[str, dict[str, Any], Callable[[], int]]:
    issue = place.dice.choice(place.issues)
    given = {"number": issue.number, "body": text}
    return "comment", given, lambda: sum(text in each.body for each in issue.comments)


def issue(place: Place, text: str) -> tuple[str, dict[str, Any], Callable[[], int]]:
    def effects() -> int:
        return sum(each.title == text for each in place.repository.issues.values())

    return "issue", {"title": text, "body": ""}, effects


def branch(place: Place, text: str) -> tuple[str, dict[str, Any], Callable[[], int]]:
    name = text.rstrip(".")
    given = {"branch": name, "base": "main"}
    return "branch", given, lambda: int(name in place.repository.branches)


def check_run(place: Place, text: str) -> tuple[str, dict[str, Any], Callable[[], int]]:
    sha = place.repository.branches["main"]

    def effects() -> int:
        suites = place.repository.check_suites.values()
        return sum(run.name == text for suite in suites for run in suite.runs)

    return "check_run", {"name": text, "head_sha": sha, "status": "in_progress"}, effects


KINDS = (comment, branch, issue, check_run)


async def contend(url: str, folder: Path, n: int, kills: int, seed: int, **given: str) -> Outcome:
    """`n` writes. The server that sends is killed again and again; the last is told to stop.

    One write is queued after each of these ends, because a server without work takes no lease.

    `given`: more of the servers' environment.
    """
    async with AsyncExitStack() as life:
        github = await life.enter_async_context(SimulatedGitHub(last_id=seed << 32))
        store = await open_store(url)
        life.push_async_callback(store.close)

        async def start() -> Serving:
            server = await life.enter_async_context(serving(folder, url, github, **given))
            github.app.webhook_url = f"{server.url}/webhooks/github"
            return server

        sends = await start()
        place = begin(github, store, random.Random(seed))  # noqa: S311 - a story's dice
        await place.settle()
        began = time.monotonic()
        for _ in range(n - kills - 1):
            await place.queue()
        await place.note_holder()
        waits = await start()
        for each in range(1, kills + 1):
            await place.go_on(n * each // (kills + 2))
            sends.kill()
            if place.dice.random() < BOTH:
                waits.kill()
                waits = await start()
            await place.queue()
            await place.taken_over()
            sends, waits = waits, await start()
        await place.go_on(n * (kills + 1) // (kills + 2))
        await sends.stop()
        await place.queue()
        await place.taken_over()
        return outcome(place, kills, await place.final_states(), time.monotonic() - began)


def begin(github: SimulatedGitHub, store: Store, dice: random.Random) -> Place:
    repository = github.repository("acme/rocket", private=True)
    person = github.person("octocat", permissions={"acme/rocket": "admin"})
    issues = [person.open_issue(repository, f"Issue {each}") for each in range(AGENTS)]
    installation = github.install("acme", ["acme/rocket"], permissions=dict(PERMISSIONS))
    return Place(github, store, repository, installation, issues, dice)


def outcome(place: Place, kills: int, states: list[str], seconds: float) -> Outcome:
    return Outcome(
        kills=kills,
        takeovers=len(place.holders) - 1,
        faults=place.faults,
        effects=[each() for each in place.effects],
        states=states,
        limits=limits(place.github),
        seconds=seconds,
    )


def limits(github: SimulatedGitHub) -> list[str]:
    waited = [f"{github.sent_while_limited} requests while told to wait"]
    told = waited if github.sent_while_limited else []
    return [*github.limits.exceeded, *github.limits.too_fast, *told]


def show(found: Outcome) -> None:
    table = Table(title="Two servers, killed while they write", show_header=False)
    table.add_row("writes", str(len(found.effects)))
    table.add_row("sent", str(found.states.count("sent")))
    table.add_row("failures of GitHub", str(found.faults))
    table.add_row("kills of the one that sends", str(found.kills))
    table.add_row("takeovers", str(found.takeovers))
    table.add_row("doubled", str(found.duplicates))
    table.add_row("lost", str(found.losses))
    table.add_row("limits passed", str(len(found.limits)))
    table.add_row("seconds", f"{found.seconds:.0f}")
    Console().print(table)


def main() -> int:
    with databases() as urls, tempfile.TemporaryDirectory() as folder:
        if "MariaDB" not in urls:
            sys.exit("needs a MariaDB: run it by tests/support/throwaway_mariadb.py")
        upgrade(urls["MariaDB"])
        found = asyncio.run(contend(urls["MariaDB"], Path(folder), WRITES, KILLS, seed=1))
    show(found)
    return 1 if found.duplicates or found.losses or found.limits else 0


if __name__ == "__main__":
    sys.exit(main())
