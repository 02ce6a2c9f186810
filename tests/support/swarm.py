"""Many agents on servers that are killed: they claim tasks, report, and send each other messages.

An agent calls any server that runs. It repeats a call whose answer was lost, with the same key, so
that each call ends with an answer; `swarm_oracle` compares the answers with the database. Some
agents die in the middle of a task, and come back when the task belongs to another agent. No agent
waits for real time-outs: the leases of dead agents expire at once, and at the end undelivered
messages become due at once.
"""

import asyncio
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any

import aiohttp

from bot.identity.keyring import Keys
from fixtures.github import Installation, SimulatedGitHub
from store.engine.database import open_store
from store.engine.transaction import Store, Tx
from tests.support.api_keys import add_api_key
from tests.support.server_process import SECRET, Serving, serving
from tests.support.story import PERMISSIONS
from tests.support.swarm_oracle import AnsweredCall, stored_rows, violations

# The shortest lease that Hubbub grants.
LEASE_S = 60
# Longer than the start of a server, and than the wait after a sender's death.
PATIENCE_S = 240
ANSWER_S = 30
LOOK_EVERY_S = 0.1
# The share of claimed tasks whose agent dies, and the share that its agent releases.
DEATH, RELEASE = 0.08, 0.08
# Errors by which an agent learns that it no longer holds its task.
LOST = frozenset({"stale_fence", "not_holder", "illegal_transition"})
# The call is repeated: the server cannot reach the database, or has a bug (see `tracebacks`).
AWAY = frozenset({"unavailable", "internal"})
TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Plan:
    """`agents`: for each server. `seconds`: how long servers are killed. `given`: settings."""

    servers: int
    agents: int
    tasks: int
    seconds: float
    kill_every_s: float
    pause_s: float
    seed: int = 1
    given: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """An error in the answer that is not a bug."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass
class Fleet:
    """The servers by place. Each of `urls` is an address of the one database; they take turns."""

    folder: Path
    github: SimulatedGitHub
    urls: Sequence[str]
    life: AsyncExitStack
    given: Mapping[str, str]
    up: dict[int, Serving] = field(default_factory=dict)
    logs: list[Path] = field(default_factory=list)
    # Where the database is known to be away: no server is started there.
    closed: set[str] = field(default_factory=set)
    kills: int = 0
    # How many starts took too long.
    late: int = 0

    async def start(self, place: int) -> None:
        while (server := await self._start(self.urls[place % len(self.urls)])) is None:
            self.late += 1
        self.logs.append(server.log)
        self.github.app.webhook_url = f"{server.url}/webhooks/github"
        self.up[place] = server

    async def _start(self, url: str) -> Serving | None:
        """None if the start took too long, or the database went away during it."""
        while url in self.closed:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(LOOK_EVERY_S)
        try:
            server = serving(self.folder, url, self.github, **self.given)
            return await self.life.enter_async_context(server)
        except TimeoutError:
            return None
        except AssertionError:
            if url not in self.closed:
                raise
            return None

    async def kill(self, place: int) -> None:
        """Kill the server as by kill -9, and start another one in its place."""
        server = self.up.pop(place)
        server.kill()
        self.kills += 1
        await server.process.wait()
        await self.start(place)

    async def anybody(self, dice: random.Random) -> str:
        while not self.up:  # noqa: ASYNC110 - of other processes
            await asyncio.sleep(LOOK_EVERY_S)
        return dice.choice(list(self.up.values())).url

    def tracebacks(self) -> list[str]:
        """The servers' bugs: the last line of each traceback."""
        texts = (log.read_text().partition(TRACEBACK) for log in self.logs)
        parts = (part for _, _, text in texts for part in text.split(TRACEBACK) if part)
        return [_last_line(part) for part in parts]


def _last_line(traceback: str) -> str:
    """The first that is neither empty nor indented."""
    lines = (line for line in traceback.splitlines()[1:] if line and not line.startswith(" "))
    return next(lines, "")


@dataclass
class Swarm:
    """What all agents share."""

    plan: Plan
    fleet: Fleet
    store: Store
    installation: Installation
    session: aiohttp.ClientSession
    names: list[str]
    calls: list[AnsweredCall] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    # Repeated calls, by the error of the attempt before.
    again: Counter[str] = field(default_factory=Counter)
    seen: list[int] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    drained: asyncio.Event = field(default_factory=asyncio.Event)

    async def rows(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        return await self.store.read(lambda tx: tx.all(sql, i=self.installation.id, **params))

    async def run(self, sql: str, **params: Any) -> None:
        async def work(tx: Tx) -> None:
            await tx.run(sql, i=self.installation.id, now=await tx.now(), **params)

        await self.store.write(work)

    async def until(self, sql: str, **params: Any) -> None:
        """Wait until the query finds nothing."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.rows(sql, **params):  # noqa: ASYNC110 - of other processes
                await asyncio.sleep(LOOK_EVERY_S)

    async def leave(self, agent: str) -> None:
        """Let the leases of a dead agent expire now."""
        q = (
            "UPDATE leases SET expires_at = :now WHERE installation_id = :i AND holder = :h "
            "AND state = 'held'"
        )
        await self.run(q, h=agent)

    async def watch(self) -> None:
        """Follow the events by a cursor, endlessly."""
        q = (
            "SELECT seq FROM events WHERE installation_id = :i AND seq > :after "
            "ORDER BY seq LIMIT 1000"
        )
        while True:
            found = await self.rows(q, after=self.seen[-1] if self.seen else 0)
            self.seen += [row["seq"] for row in found]
            await asyncio.sleep(0.02)

    async def disturb(self) -> None:
        """Kill a server from time to time."""
        dice = random.Random(f"{self.plan.seed} kills")  # noqa: S311 - a story's dice
        end = time.monotonic() + self.plan.seconds
        async with asyncio.TaskGroup() as starting:
            while time.monotonic() < end:
                await asyncio.sleep(dice.uniform(0.5, 1.5) * self.plan.kill_every_s)
                # One server keeps running, so that agents can call it.
                if len(self.fleet.up) > 1:
                    place = dice.choice(sorted(self.fleet.up))
                    starting.create_task(self.fleet.kill(place))

    async def drain(self) -> None:
        """Make undelivered messages due again until all are read."""
        q = "SELECT message_id FROM receipts WHERE installation_id = :i AND state <> 'read' LIMIT 1"
        again = "UPDATE receipts SET visible_at = 0 WHERE installation_id = :i AND state <> 'read'"
        async with asyncio.timeout(PATIENCE_S):
            while await self.rows(q):
                await self.run(again)
                await asyncio.sleep(4 * LOOK_EVERY_S)
        self.drained.set()


@dataclass
class Agent:
    swarm: Swarm
    name: str
    token: str
    dice: random.Random

    async def call(self, operation: str, **given: Any) -> dict[str, Any]:
        """Repeat the call until it is answered. Raise Refusal."""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Idempotency-Key": secrets.token_hex(16),
        }
        began = time.monotonic()
        while True:
            url = await self.swarm.fleet.anybody(self.dice)
            try:
                status, answer = await self._ask(f"{url}/api/v1/{operation}", given, headers)
            except (aiohttp.ClientError, TimeoutError) as exc:
                self.swarm.again[type(exc).__name__] += 1
                await asyncio.sleep(self.dice.uniform(0, LOOK_EVERY_S))
                began = time.monotonic()
                continue
            if status == 200:
                call = AnsweredCall(self.name, operation, given, answer, began, time.monotonic())
                self.swarm.calls.append(call)
                return answer
            error = answer["error"]
            if error["code"] not in AWAY:
                raise Refusal(error["code"], error["message"])
            self.swarm.again[error["code"]] += 1
            await asyncio.sleep(self.dice.uniform(0, 1))

    async def _ask(
        self, url: str, given: dict[str, Any], headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        async with self.swarm.session.post(url, json=given, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
            return response.status, answer

    async def rest(self) -> None:
        pause = self.swarm.plan.pause_s
        await asyncio.sleep(self.dice.uniform(0.5, 1.5) * pause)

    async def live(self) -> None:
        await self.rest()
        await self.call("register_agent", agent_id=self.name, name=self.name)
        while not self.swarm.over.is_set():
            try:
                await self.work(await self.call("claim_task", lease_s=LEASE_S))
            except Refusal as exc:
                if exc.code not in LOST | {"nothing_ready"}:
                    raise
                self.swarm.refused[exc.code] += 1
            await self.rest()
            await self.read_messages()
            await self.rest()

    async def work(self, claimed: dict[str, Any]) -> None:
        fate = self.dice.random()
        mine = {"task": claimed["task"]["task"], "fence": claimed["fence"]}
        await self.rest()
        await self.call("get_task", task=mine["task"])
        await self.rest()
        await self.call("update_task_status", **mine, status="in_progress", progress=50)
        await self.rest()
        await self.tell(mine["task"])
        await self.rest()
        if fate < DEATH:
            await self.die()
        if DEATH < fate < DEATH + RELEASE:
            await self.call("release_task", **mine, note="Another may know it better")
        else:
            await self.call("update_task_status", **mine, status="completed")

    async def die(self) -> None:
        """Do nothing for a while, so that another agent takes the task over."""
        await self.swarm.leave(self.name)
        self.swarm.refused["died"] += 1
        await asyncio.sleep(self.dice.uniform(1, 4))

    async def tell(self, task: str) -> None:
        to = self.dice.choice([each for each in self.swarm.names if each != self.name])
        try:
            await self.call("send_message", to=to, task=task, body="Do you know this part?")
        except Refusal as exc:
            # The other agent may not have registered yet.
            if exc.code != "unknown_agent":
                raise
            self.swarm.refused[exc.code] += 1

    async def read_messages(self) -> None:
        for each in (await self.call("get_messages"))["messages"]:
            await self.call("mark_message_read", message_id=each["id"])

    async def finish(self) -> None:
        """Read the messages that are left."""
        while not self.swarm.drained.is_set():
            await self.read_messages()
            await self.rest()


@dataclass(frozen=True)
class Outcome:
    seconds: float
    kills: int
    late: int
    calls: int
    p50_ms: float
    p99_ms: float
    events: Counter[str]
    messages: int
    refused: Counter[str]
    again: Counter[str]
    violations: list[str]
    tracebacks: list[str]


Disturb = Callable[[Swarm], Awaitable[None]]


async def play(
    folder: Path, urls: Sequence[str], plan: Plan, disturb: Disturb | None = None
) -> Outcome:
    """Run the whole swarm. `disturb`: what else happens while servers are killed."""
    async with open_swarm(folder, urls, plan) as swarm:
        agents = await agents_of(swarm)
        began = time.monotonic()
        async with asyncio.TaskGroup() as all_:
            watching = all_.create_task(swarm.watch())
            lives = [all_.create_task(each.live()) for each in agents]
            troubles = [all_.create_task(swarm.disturb())]
            if disturb:
                troubles.append(asyncio.ensure_future(disturb(swarm)))
            await asyncio.gather(*troubles)
            q = "SELECT id FROM tasks WHERE installation_id = :i AND state <> 'completed' LIMIT 1"
            await swarm.until(q)
            seconds = time.monotonic() - began
            swarm.over.set()
            await asyncio.gather(*lives)
            await asyncio.gather(swarm.drain(), *(each.finish() for each in agents))
            await asyncio.sleep(2 * LOOK_EVERY_S)  # the cursor reads the last events
            watching.cancel()
        return await _outcome(swarm, seconds)


@asynccontextmanager
async def open_swarm(folder: Path, urls: Sequence[str], plan: Plan) -> AsyncIterator[Swarm]:
    async with AsyncExitStack() as life:
        # No other run on this database has the same ids.
        last_id = secrets.randbelow(2**20) << 32
        github = await life.enter_async_context(SimulatedGitHub(last_id=last_id))
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        session = await life.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        store = await open_store(urls[0])
        life.push_async_callback(store.close)
        repository = github.repository("acme/rocket", private=True)
        person = github.person("octocat", permissions={"acme/rocket": "admin"})
        person.create_label(repository, "agent-task")
        for each in range(plan.tasks):
            person.open_issue(repository, f"Issue {each}", labels=["agent-task"])
        fleet = Fleet(folder, github, urls, life, plan.given)
        await fleet.start(0)
        installation = github.install("acme", ["acme/rocket"], permissions=dict(PERMISSIONS))
        names = [f"agent-{n}" for n in range(plan.servers * plan.agents)]
        swarm = Swarm(plan, fleet, store, installation, session, names)
        await asyncio.gather(
            _wait_for_tasks(swarm), *(fleet.start(n) for n in range(1, plan.servers))
        )
        yield swarm


async def _wait_for_tasks(swarm: Swarm) -> None:
    """Wait until each issue is a task."""
    q = (
        "SELECT n FROM (SELECT COUNT(*) AS n FROM tasks WHERE installation_id = :i) q "
        "WHERE n < :tasks"
    )
    await swarm.until(q, tasks=swarm.plan.tasks)


async def agents_of(swarm: Swarm) -> list[Agent]:
    async def work(tx: Tx) -> list[str]:
        keys, here = Keys(SECRET), swarm.installation.id
        return [await add_api_key(tx, keys, here, each, "developer") for each in swarm.names]

    tokens = await swarm.store.write(work)
    return [
        Agent(swarm, name, token, random.Random(f"{swarm.plan.seed} {name}"))  # noqa: S311
        for name, token in zip(swarm.names, tokens, strict=True)
    ]


async def _outcome(swarm: Swarm, seconds: float) -> Outcome:
    stored = await stored_rows(swarm.store, swarm.installation.id)
    took = [1000 * (each.ended - each.began) for each in swarm.calls]
    hundredths = quantiles(took, n=100)
    return Outcome(
        seconds=seconds,
        kills=swarm.fleet.kills,
        late=swarm.fleet.late,
        calls=len(swarm.calls),
        p50_ms=hundredths[49],
        p99_ms=hundredths[98],
        events=Counter(each["kind"] for each in stored.events),
        messages=len(stored.messages),
        refused=swarm.refused,
        again=swarm.again,
        violations=violations(stored, swarm.calls, swarm.seen),
        tracebacks=swarm.fleet.tracebacks(),
    )
