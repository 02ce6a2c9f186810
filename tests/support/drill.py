"""The drill of a disaster: agents at work, a backup, more work, a kill, a restore elsewhere.

The server, `hubbub backup` and `hubbub restore` are processes of their own, the database is of the
other engine afterwards, and the simulated GitHub goes on meanwhile. Its state is the truth.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from store.engine.database import open_store
from store.mirror import mirror_rows
from tests.support.mirror_oracle import of_github, of_mirror
from tests.support.server_process import SECRET, hubbub_process
from tests.support.swarm import Agent, Plan, Refusal, Swarm, agents_of, open_swarm
from tests.support.swarm_oracle import AnsweredCall, held_twice, lost_claims, stored_rows

# A request to GitHub takes no longer, so that nobody waits long for that of a killed server.
TIME_OUT_S = 1
GIVEN = {"HUBBUB_GITHUB_TIMEOUT_S": str(TIME_OUT_S)}
# How long agents may take to begin with the tasks that appear after the backup.
LOST_WORK_S = 60
POLL_S = 0.05
# Calls by which agents change something that only the database has.
CHANGES = frozenset(
    {
        *("claim_task", "update_task_status", "release_task", "send_message"),
        *("mark_message_read", "github_comment_issue", "register_agent"),
    }
)
# Nothing is under way any more.
BUSY = (
    "SELECT id FROM writes WHERE installation_id = :i AND state IN ('queued', 'sending', 'unknown')"
    " UNION ALL SELECT guid FROM deliveries WHERE installation_id = :i "
    "AND state IN ('received', 'failed') "
    "UNION ALL SELECT guid FROM lost_deliveries WHERE installation_id = :i "
    "UNION ALL SELECT subject FROM pending_reads WHERE installation_id = :i AND state = 'queued' "
    "UNION ALL SELECT part FROM backfills WHERE installation_id = :i AND state = 'queued' LIMIT 1"
)
SURVEYED = "SELECT value FROM facts WHERE name = 'deliveries under survey' AND value = 'yes'"


@dataclass(frozen=True)
class Figures:
    """What a drill showed. `lost_s`: between the snapshot and the kill. Times are seconds."""

    backup_s: float
    backup_bytes: int
    rows: int
    lost_s: float
    lost_calls: int
    restore_s: float
    ready_s: float
    caught_up_s: float
    redelivered: int
    refused_fences: int
    problems: list[str] = field(default_factory=list)


@dataclass
class Writer(Agent):
    """An agent that also comments on GitHub."""

    async def tell(self, task: str) -> None:
        await super().tell(task)
        n = len(self.swarm.calls)
        try:
            await self.call("github_comment_issue", issue=task, body=f"Remark {self.name}.{n}.")
        except Refusal as exc:
            self.swarm.refused[exc.code] += 1


@dataclass(frozen=True)
class Rows:
    """The mirror of the drill's installation, for the oracle."""

    swarm: Swarm

    async def rows(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        return await self.swarm.rows(sql, **params)

    async def mirror_content(self, table: str) -> list[dict[str, Any]]:
        here = self.swarm.installation.id
        found = await self.swarm.store.read(lambda tx: mirror_rows.content(tx, table, here))
        return [row for row in found if not row["deleted"]]


async def run_drill(folder: Path, url: str, other_url: str, plan: Plan) -> Figures:
    """`plan.seconds`: how long agents work before the backup, and half of it after it."""
    async with open_swarm(folder, [url], plan) as swarm:
        agents = [Writer(swarm, a.name, a.token, a.dice) for a in await agents_of(swarm)]
        async with at_work(agents):
            await asyncio.sleep(plan.seconds)
            began = time.monotonic()
            words = await run_hubbub(folder, url, "backup", str(folder / "drill.backup"))
            backup_s = time.monotonic() - began
            await _work_that_is_lost(swarm)
            await asyncio.sleep(plan.seconds / 2)
            lost_s = time.monotonic() - began
            server = swarm.fleet.up.pop(0)
            server.kill()
        await server.process.wait()
        held = held_claims(swarm.calls)
        lost = [each for each in swarm.calls if each.began > began and each.operation in CHANGES]
        _work_on_github_meanwhile(swarm)
        began = time.monotonic()
        await run_hubbub(folder, other_url, "restore", str(folder / "drill.backup"))
        restore_s = time.monotonic() - began
        await move(swarm, other_url)
        await swarm.fleet.start(0)
        ready_s = time.monotonic() - began
        since = time.monotonic()
        refused = [await uses_old_fence(agents, call) for call in held]
        await _catch_up(swarm, agents)
        caught_up_s = time.monotonic() - began
        return Figures(
            backup_s=backup_s,
            backup_bytes=(folder / "drill.backup").stat().st_size,
            rows=int(re.findall(r"(\d+) rows", " ".join(words.split()))[0]),
            lost_s=lost_s,
            lost_calls=len(lost),
            restore_s=restore_s,
            ready_s=ready_s,
            caught_up_s=caught_up_s,
            redelivered=_redelivered(swarm),
            refused_fences=sum(refused),
            problems=await _problems(swarm, len(held) - sum(refused), since),
        )


async def _work_that_is_lost(swarm: Swarm) -> None:
    """Open more tasks, and wait until an agent changed something that the backup does not have."""
    github, n = swarm.fleet.github, len(swarm.calls)
    (repository,) = github.world.repositories.values()
    person = github.person("octocat")
    for k in range(swarm.plan.agents):
        person.open_issue(repository, f"Found after the backup {k}", labels=["agent-task"])
    async with asyncio.timeout(LOST_WORK_S):
        while not any(each.operation in CHANGES for each in swarm.calls[n:]):  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def at_work(agents: list[Writer]) -> AsyncIterator[None]:
    """Let agents work until the end of the block. What they were doing stays undone."""
    lives = [asyncio.create_task(each.live()) for each in agents]
    try:
        yield
    finally:
        for each in lives:
            each.cancel()
        await asyncio.gather(*lives, return_exceptions=True)


async def run_hubbub(folder: Path, url: str, *words: str) -> str:
    """Run a command of the operator's. Return what it printed."""
    given = {"HUBBUB_DATABASE_URL": url, "HUBBUB_SECRET_KEY": SECRET} | GIVEN
    code, out, err = await hubbub_process(*words, folder=folder, **given)
    assert code == 0, err
    return out


def held_claims(calls: list[AnsweredCall]) -> list[AnsweredCall]:
    """The last claim of each task, if its holder did not end it."""
    last: dict[str, AnsweredCall] = {}
    for each in calls:
        if each.operation == "claim_task":
            last[each.answer["task"]["task"]] = each
        elif each.operation == "release_task" or each.given.get("status") == "completed":
            last.pop(each.given["task"], None)
    return list(last.values())


def _work_on_github_meanwhile(swarm: Swarm) -> None:
    """While no server runs, people go on. The deliveries about it fail."""
    github = swarm.fleet.github
    (repository,) = github.world.repositories.values()
    person = github.person("octocat")
    for issue in list(repository.issues.values())[:5]:
        person.comment(issue, "While the server was away")
    person.open_issue(repository, "Found while it was away")


async def move(swarm: Swarm, url: str) -> None:
    """Let the swarm and its next server use another database."""
    swarm.fleet.urls = [url]
    swarm.store = await open_store(url)
    swarm.fleet.life.push_async_callback(swarm.store.close)


async def uses_old_fence(agents: list[Writer], claim: AnsweredCall) -> bool:
    """Whether the agent that kept working is refused."""
    agent = next(each for each in agents if each.name == claim.agent)
    given = {"task": claim.answer["task"]["task"], "fence": claim.answer["fence"]}
    try:
        await agent.call("update_task_status", **given, status="completed")
    except Refusal as exc:
        # The restored database does not know tasks that appeared after the backup.
        return exc.code in ("stale_fence", "unknown_task")
    return False


async def _catch_up(swarm: Swarm, agents: list[Writer]) -> None:
    """Let the agents finish every task, and Hubbub all that is under way."""
    async with at_work(agents):
        await swarm.until(
            "SELECT id FROM tasks WHERE installation_id = :i AND state <> 'completed' LIMIT 1"
        )
    await swarm.until(SURVEYED)
    await swarm.until(BUSY)


def _redelivered(swarm: Swarm) -> int:
    asked = [each.path for each in swarm.fleet.github.requests if each.path.endswith("/attempts")]
    return len(asked)


async def _problems(swarm: Swarm, accepted: int, since: float) -> list[str]:
    """A sentence for each broken promise. `since`: when the restored server answered first."""
    (repository,) = swarm.fleet.github.world.repositories.values()
    stored = await stored_rows(swarm.store, swarm.installation.id)
    mirror, github = await of_mirror(Rows(swarm), repository), of_github(repository)
    # After the restore only: what came before it may be lost.
    late = [each for each in swarm.calls if each.began > since]
    bodies = Counter(
        remark
        for thread in repository.threads.values()
        for each in thread.comments
        if not each.deleted
        for remark in re.findall(r"Remark \S+\.", each.body)
    )
    return [
        *(f"{name} of the mirror differ" for name in github if mirror[name] != github[name]),
        *(f"{body} was posted {n} times" for body, n in bodies.items() if n > 1),
        *held_twice(stored.events),
        *lost_claims(stored, late),
        *([f"{accepted} fences from before were accepted"] if accepted else []),
        *swarm.fleet.tracebacks(),
    ]
