"""A day of twenty agents on two hundred issues, and what it costs of GitHub; then by polling.

The clock is stepped. Agents call operations in this process, not over MCP: what GitHub is asked
does not depend on it. The polling day has the same deeds, each by REST; each agent also asks each
minute for the list of issues and for its own issue, that one's comments and its pull request: the
ones it works on, or worked on last. All calls of both days are made, over loopback HTTP.
"""

import argparse
import asyncio
import heapq
import random
import sys
import tempfile
import time
from base64 import b64encode
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from bot.background import expiry
from bot.comments.markers import MARK
from bot.errors import Refused
from bot.fetch import backfill
from bot.fetch.missed_deliveries import Repair
from bot.github.client import GitHub
from bot.inbox import worker
from bot.inbox.command_finder import VERBS
from bot.times import SECOND
from fixtures.github import Issue, Person, Pull, Repository, Request, SimulatedGitHub
from fixtures.github.graphql import mutations
from fixtures.github.rest.routes import ROUTES
from store.engine.database import open_store
from store.engine.migrate import upgrade
from tests.support.story import PERMISSIONS, Agent, Clock, Workspace, open_workspace

NAMES = ("rocket", "engine", "tower")
PEOPLE = ("ada", "grace", "linus")
LABEL = "agent-task"
MINUTE, HOUR = 60.0, 3600.0
# Nothing waits longer than this to be looked at: commands, leases.
TICK = 30.0
# How an agent learns that the task is another's now.
LOST = {"stale_fence", "not_holder", "illegal_transition"}
CONTENT = {(each.method, each.path) for each in ROUTES if each.content}
GRAPHQL = "/graphql"
LOG = "/app/hook/deliveries"
GOALS = {"calls": 0.02, "reads": 0, "writes": 10}

Life = AsyncIterator[float]


class TimedAgent(Agent):
    """Knows how long it waited for answers: seconds of the real clock."""

    waited: float = 0
    calls: int = 0

    async def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        began = time.perf_counter()
        try:
            return await super().call(operation, **arguments)
        finally:
            self.waited += time.perf_counter() - began
            self.calls += 1


@dataclass(frozen=True)
class Plan:
    agents: int = 20
    issues: int = 200
    before: int = 20
    hours: float = 24
    seed: int = 1

    @property
    def opening(self) -> float:
        """For how long new issues come: the rest of the day is to end them."""
        return self.hours * HOUR * 0.75


@dataclass(frozen=True)
class Deed:
    """What an agent did, for another to do by REST. `task`: full name and number."""

    at: float
    agent: str
    kind: str
    task: tuple[str, int]
    branch: str = ""


@dataclass
class Day:
    """A life is a generator: what it gives is how many seconds it pauses."""

    here: Workspace
    plan: Plan
    repositories: list[Repository]
    people: list[Person]
    agents: list[TimedAgent] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    # How each task shall end, once somebody ended it.
    meant: dict[tuple[str, int], str] = field(default_factory=dict)
    working: dict[tuple[str, int], Issue] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)
    began: float = 0
    _repair: Repair = field(init=False)
    _repair_at: float = 0
    _number: Any = field(default_factory=count)

    def __post_init__(self) -> None:
        self._repair = Repair(
            self.here.dispatcher.store,
            self.here.sender.github,
            keys=self.here.dispatcher.shared.keys,
        )

    @property
    def now(self) -> float:
        return self.here.clock.now()

    @property
    def end(self) -> float:
        return self.began + self.plan.hours * HOUR

    def dice(self, who: str) -> random.Random:
        return random.Random(f"{self.plan.seed} {who}")  # noqa: S311 - a story's dice

    def issue(self, task: tuple[str, int]) -> Issue:
        (found,) = [each for each in self.repositories if each.full_name == task[0]]
        return found.issues[task[1]]

    def issues(self) -> list[Issue]:
        each = (issue for here in self.repositories for issue in here.issues.values())
        return sorted(each, key=lambda issue: issue.id)

    def pulls(self) -> list[Pull]:
        return [pull for here in self.repositories for pull in here.pulls.values()]

    # --- Time ------------------------------------------------------------------------------------

    async def live(self, lives: list[Life]) -> None:
        """Each goes on when its pause is over, until the day ends."""
        order = count()
        waiting = [(self.now, next(order), life) for life in lives]
        while waiting and waiting[0][0] < self.end:
            at, _, life = heapq.heappop(waiting)
            await self.until(at)
            pause = await anext(life, None)
            if pause is not None:
                heapq.heappush(waiting, (self.now + pause, next(order), life))
        await self.until(self.end)

    async def until(self, at: float) -> None:
        """The server works; time is stepped to what is due next."""
        while True:
            await self.here.github.wait_for_deliveries()
            store, shared = self.here.store, self.here.dispatcher.shared
            if await worker.step(store, shared) or await expiry.step(store):
                continue
            if self.now >= self._repair_at:
                self._repair_at = self.now + await self._repair.step()
                continue
            wait = await self.here.sender.step(self.here.installation.id)
            if wait == 0:
                continue
            due = min([at, self.now + TICK, self._repair_at, *await self._due(wait)])
            self.here.clock.forward(max(0, due - self.now))
            if due >= at:
                return

    async def _due(self, wait: float | None) -> list[float]:
        """When the sender has something to send."""
        if wait is not None:
            return [self.now + wait]
        (row,) = await self.here.rows(
            "SELECT MIN(at) AS at FROM (SELECT MIN(not_before) AS at FROM writes WHERE "
            "installation_id = :i AND state IN ('queued', 'unknown') AND not_before > :now "
            "UNION ALL SELECT MIN(not_before) AS at FROM pending_reads WHERE "
            "installation_id = :i AND state = 'queued' AND not_before > :now) q",
            now=self.here.clock(),
        )
        return [] if row["at"] is None else [row["at"] / SECOND]

    # --- Agents ----------------------------------------------------------------------------------

    def did(self, agent: Agent, kind: str, task: tuple[str, int], branch: str = "") -> None:
        self.happened[kind] += 1
        self.deeds.append(Deed(self.now, agent.actor.name, kind, task, branch))

    def text(self, words: str) -> str:
        """No two are the same."""
        return f"{words} ({next(self._number)})"

    async def work(self, agent: Agent) -> Life:
        """Look for work, do it, again."""
        dice = self.dice(agent.actor.name)
        yield dice.uniform(0, 5 * MINUTE)
        while True:
            try:
                claimed = await agent.call("claim_task")
            except Refused as exc:
                only(exc, "nothing_ready")
                yield dice.uniform(3, 7) * MINUTE
                continue
            task = (claimed["task"]["repository"], claimed["task"]["number"])
            self.did(agent, "claim", task)
            self.working[task] = self.issue(task)
            try:
                async for pause in self._one(agent, claimed, task, dice):
                    yield pause
            except Refused as exc:
                only(exc, *LOST)
                self.happened["task lost to another"] += 1
            self.working.pop(task, None)
            yield dice.uniform(0.5, 3) * MINUTE

    async def _one(
        self, agent: Agent, claimed: dict[str, Any], task: tuple[str, int], dice: random.Random
    ) -> Life:
        name, fence = claimed["task"]["task"], claimed["fence"]
        mine = {"task": name, "fence": fence}
        fate = dice.random()
        await agent.call("get_task", task=name)
        await agent.call("github_get_thread", task=name)
        async for pause in self._reports(agent, mine, task, dice):
            yield pause
        if fate < 0.05:
            self.happened["agent died"] += 1
            yield dice.uniform(25, 60) * MINUTE
            return
        if fate < 0.10:
            await agent.call("update_task_status", **mine, status="failed", note="It cannot be")
            self.did(agent, "give_up", task)
            self.meant.setdefault(task, "failed")
            return
        async for pause in self._commits(agent, mine, task, dice):
            yield pause
        await agent.call("update_task_status", **mine, status="in_review", progress=100)
        self.did(agent, "review", task)
        self.working.pop(task, None)
        while (await agent.call("get_task", task=name))["task"]["state"] == "in_review":
            await self._read_messages(agent)
            yield 2 * MINUTE

    async def _reports(
        self, agent: Agent, mine: dict[str, Any], task: tuple[str, int], dice: random.Random
    ) -> Life:
        """A few minutes each; in between a comment or a message to another."""
        reports = dice.randint(3, 6)
        for n in range(1, reports + 1):
            yield dice.uniform(3, 8) * MINUTE
            note = self.text("I am on it")
            await agent.call(
                "update_task_status",
                **mine,
                status="in_progress",
                progress=90 * n // reports,
                note=note,
            )
            self.did(agent, "report", task)
            if dice.random() < 0.15:
                other = dice.choice(self.agents).actor.name
                body = self.text("Do you know this part?")
                await agent.call("send_message", to=other, body=body, task=mine["task"])
                self.did(agent, "message", task)
        if dice.random() < 0.5:
            body = self.text("I found the cause")
            asked = {"issue": mine["task"], "fence": mine["fence"], "body": body}
            await agent.write("github_comment_issue", **asked)
            self.did(agent, "comment", task)

    async def _commits(
        self, agent: Agent, mine: dict[str, Any], task: tuple[str, int], dice: random.Random
    ) -> Life:
        branch = f"task-{task[1]}-{mine['fence']}"
        for _ in range(dice.randint(1, 2)):
            file = {"path": f"src/{branch}-{next(self._number)}.py", "content": "print(1)\n"}
            await agent.write(
                "github_commit_files",
                **mine,
                branch=branch,
                message=self.text("Mend it"),
                files=[file],
            )
            self.did(agent, "commit", task, branch)
            yield dice.uniform(2, 6) * MINUTE
        title = self.text("Mend it")
        await agent.write("github_create_pr", **mine, head=branch, title=title)
        self.did(agent, "pull", task, branch)
        yield MINUTE

    async def _read_messages(self, agent: Agent) -> None:
        for each in (await agent.call("get_messages"))["messages"]:
            await agent.call("mark_message_read", message_id=each["id"])

    # --- People ----------------------------------------------------------------------------------

    async def open_issues(self) -> Life:
        """Over three quarters of the day."""
        dice = self.dice("issues")
        late = self.plan.issues - self.plan.before
        times = sorted(dice.uniform(0, self.plan.opening) for _ in range(late))
        for at in times:
            yield max(0, self.began + at - self.now)
            self.open_one(dice)

    def open_one(self, dice: random.Random) -> None:
        where, who = dice.choice(self.repositories), dice.choice(self.people)
        who.open_issue(where, self.text("It smokes"), "See the log.", labels=[LABEL])

    async def watch(self, person: Person) -> Life:
        """Review and merge what is there, and do one thing more."""
        dice = self.dice(person.login)
        deeds = (self._ask, self._say, self._label, self._take, self._release, self._drop)
        while True:
            yield dice.uniform(3, 9) * MINUTE
            if dice.random() < 0.7 and (pull := self._approve_one(person, dice)):
                yield dice.uniform(0.5, 2) * MINUTE
                self._merge(person, pull)
            if dice.random() < 0.35:
                dice.choices(deeds, (6, 6, 3, 1, 1, 1))[0](person, dice)

    def _approve_one(self, person: Person, dice: random.Random) -> Pull | None:
        """One that the person has just approved."""
        ready = [each for each in self.pulls() if each.state == "open" and not self._new(each)]
        if not ready:
            return None
        pull = dice.choice(ready)
        seen = any(each.user is person.account for each in pull.reviews)
        if not seen and dice.random() < 0.4:
            person.review(pull, "commented", self.text("Nearly"))
            return None
        person.review(pull, "approved")
        return pull

    def _merge(self, person: Person, pull: Pull) -> None:
        if pull.state == "open":
            person.merge(pull)
            number = int(pull.head.split("-")[1])
            self._ends(pull.repository.issues[number], "completed", "merge")

    def _new(self, pull: Pull) -> bool:
        """One whose agent may still be about to say that it waits for a review."""
        return (pull.repository.full_name, int(pull.head.split("-")[1])) in self.working

    def _open(self) -> list[Issue]:
        return [each for each in self.issues() if each.state == "open" and self._live(each)]

    def _live(self, issue: Issue) -> bool:
        return (issue.repository.full_name, issue.number) not in self.meant

    def _ask(self, person: Person, dice: random.Random) -> None:
        asked = [each for each in ("status", "why", "priority high") if each.split()[0] in VERBS]
        if issues := self._open():
            person.comment(dice.choice(issues), f"/{dice.choice(asked)}")
            self.happened["command"] += 1

    def _say(self, person: Person, dice: random.Random) -> None:
        if issues := self._open():
            person.comment(dice.choice(issues), self.text("Mind the tank"))
            self.happened["comment of a person"] += 1

    def _label(self, person: Person, dice: random.Random) -> None:
        if issues := [each for each in self._open() if len(each.labels) == 1]:
            person.add_label(dice.choice(issues), "bug")
            self.happened["label of a person"] += 1

    def _silent_issues(self) -> list[Issue]:
        return [each for each in self._open() if not each.comments]

    def _take(self, person: Person, dice: random.Random) -> None:
        """By /claim; the person ends it at once by hand."""
        if issues := self._silent_issues():
            issue = dice.choice(issues)
            person.comment(issue, "/claim")
            person.close(issue)
            self._ends(issue, "completed")
            self.happened["command"] += 1

    def _release(self, person: Person, dice: random.Random) -> None:
        """Take it from the agent that works on it."""
        if issues := list(self.working.values()):
            person.comment(dice.choice(issues), "/release try another way")
            self.happened["command"] += 1

    def _drop(self, person: Person, dice: random.Random) -> None:
        if issues := self._silent_issues():
            issue = dice.choice(issues)
            person.close(issue, "not_planned")
            self._ends(issue, "cancelled")

    def _ends(self, issue: Issue, how: str, by: str = "close") -> None:
        task = (issue.repository.full_name, issue.number)
        self.meant.setdefault(task, how)
        self.happened[f"{by} by a person"] += 1
        self.deeds.append(Deed(self.now, "", "end", task))


def only(refusal: Refused, *codes: str) -> None:
    """Another one is a bug, not a turn of the story."""
    if refusal.code not in codes:
        raise refusal


async def begin(here: Workspace, plan: Plan) -> Day:
    """Three repositories, a board that their settings name, three people, and what is open."""
    github, names = here.github, [f"acme/{each}" for each in NAMES]
    repositories = [here.repository, *(github.repository(each, private=True) for each in names[1:])]
    github.add_repositories(here.installation, names[1:])
    people = [github.person(each, dict.fromkeys(names, "maintain")) for each in PEOPLE]
    board = here.person.create_project("acme", "Work", ["Todo", "In Progress", "Done"])
    settings = {".github/hubbub.yml": f"board:\n  project: {board.number}\n"}
    for each in repositories:
        github.set_permission(each.full_name, here.person.login, "admin")
        here.person.create_label(each, LABEL)
        here.person.create_label(each, "bug")
        here.person.push(each, "main", dict(settings))
    day = Day(here, plan, repositories, people)
    day.began = day.now
    dice = day.dice("before")
    for _ in range(plan.before):
        day.open_one(dice)
    await backfill.begin_missing(here.dispatcher.store)
    await here.settle()
    known = [await here.agent(f"agent-{n}") for n in range(1, plan.agents + 1)]
    day.agents = [TimedAgent(each.dispatcher, each.actor) for each in known]
    day.began = day.now
    return day


async def play(day: Day) -> None:
    lives = [day.work(each) for each in day.agents]
    await day.live([*lives, day.open_issues(), *(day.watch(each) for each in day.people)])


# --- Calls, counted -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Counted:
    """Calls by kind, without tokens."""

    kinds: Counter[str]
    tokens: int
    reads: int
    writes: int
    content: int

    @property
    def all(self) -> int:
        return self.reads + self.writes


def is_read(each: Request) -> bool:
    return each.method == "GET"


def is_token(each: Request) -> bool:
    return each.route.endswith("/access_tokens")


def creates(each: Request) -> int:
    """How many things it creates or edits: a GraphQL document may do so several times."""
    if each.route == GRAPHQL:
        return mutations(each.body["query"])
    return int((each.method, each.route) in CONTENT)


def creation_times(requests: Iterable[Request]) -> list[float]:
    return [each.at for each in requests for _ in range(creates(each))]


def kind(each: Request) -> str:
    return f"{each.method} {each.route}"


def count_calls(requests: list[Request]) -> Counted:
    calls = [each for each in requests if not is_token(each)]
    reads = sum(map(is_read, calls))
    return Counted(
        kinds=Counter(map(kind, calls)),
        tokens=len(requests) - len(calls),
        reads=reads,
        writes=len(calls) - reads,
        content=sum(map(creates, calls)),
    )


# --- The same day, by polling --------------------------------------------------------------------


@dataclass
class Poller:
    """Agents with a client of their own. One token serves all, and is not counted."""

    github: SimulatedGitHub
    client: GitHub
    installation_id: int
    person: Person
    repositories: dict[str, Repository]
    board: int
    field_id: int
    options: dict[str, str]
    issues: dict[tuple[str, int], Issue] = field(default_factory=dict)
    items: dict[tuple[str, int], int] = field(default_factory=dict)
    branches: set[tuple[str, str]] = field(default_factory=set)
    # What each agent looks at: an issue, and its pull request.
    looks_at: dict[str, tuple[tuple[str, int], int | None]] = field(default_factory=dict)
    _number: Any = field(default_factory=count)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.client.request(self.installation_id, method, path, body)
        assert answer.status < 300, (method, path, answer.status, answer.data)
        return answer.data

    async def poll(self, agent: str, minute: int) -> None:
        names = list(self.repositories)
        where, pull = self.looks_at.get(agent, ((names[minute % len(names)], 0), None))
        here = f"/repos/{where[0]}"
        await self.call("GET", f"{here}/issues?labels={LABEL}&state=open")
        if where[1]:
            issue = f"{here}/issues/{self.issues[where].number}"
            await self.call("GET", issue)
            await self.call("GET", f"{issue}/comments")
        if pull:
            await self.call("GET", f"{here}/pulls/{pull}")

    async def do(self, deed: Deed) -> None:
        if deed.task not in self.issues:
            repository = self.repositories[deed.task[0]]
            opened = self.person.open_issue(repository, "It smokes", labels=[LABEL])
            self.issues[deed.task] = opened
        issue = f"/repos/{deed.task[0]}/issues/{self.issues[deed.task].number}"
        await getattr(self, f"_{deed.kind}")(deed, issue)

    async def _claim(self, deed: Deed, issue: str) -> None:
        self.looks_at[deed.agent] = (deed.task, None)
        await self.call("POST", f"{issue}/labels", {"labels": [f"held-by-{deed.agent}"]})
        items = f"/orgs/acme/projectsV2/{self.board}/items"
        if deed.task not in self.items:
            body = {"type": "Issue", "id": self.issues[deed.task].id}
            self.items[deed.task] = (await self.call("POST", items, body))["id"]
        await self._move(deed, "In Progress")

    async def _move(self, deed: Deed, status: str) -> None:
        path = f"/orgs/acme/projectsV2/{self.board}/items/{self.items[deed.task]}"
        change = {"id": self.field_id, "value": self.options[status]}
        await self.call("PATCH", path, {"fields": [change]})

    async def _end(self, deed: Deed, _: str) -> None:
        """A person did it."""
        self.person.close(self.issues[deed.task])

    async def _comment(self, _: Deed, issue: str) -> None:
        await self.call("POST", f"{issue}/comments", {"body": f"Note {next(self._number)}"})

    _report = _message = _comment

    async def _give_up(self, deed: Deed, issue: str) -> None:
        await self._comment(deed, issue)
        await self.call("DELETE", f"{issue}/labels/held-by-{deed.agent}")

    async def _commit(self, deed: Deed, issue: str) -> None:
        here = issue.rpartition("/issues/")[0]
        if (deed.task[0], deed.branch) not in self.branches:
            self.branches.add((deed.task[0], deed.branch))
            sha = self.repositories[deed.task[0]].branches["main"]
            ref = {"ref": f"refs/heads/{deed.branch}", "sha": sha}
            await self.call("POST", f"{here}/git/refs", ref)
        content = b64encode(b"print(1)\n").decode()
        body = {"message": "Mend it", "content": content, "branch": deed.branch}
        await self.call("PUT", f"{here}/contents/src/{next(self._number)}.py", body)

    async def _pull(self, deed: Deed, issue: str) -> None:
        here = issue.rpartition("/issues/")[0]
        body = {"title": "Mend it", "head": deed.branch, "base": "main"}
        made = await self.call("POST", f"{here}/pulls", body)
        self.looks_at[deed.agent] = (deed.task, made["number"])

    async def _review(self, deed: Deed, issue: str) -> None:
        await self.call("POST", f"{issue}/labels", {"labels": ["in-review"]})
        await self._move(deed, "Done")


async def poll_through(deeds: list[Deed], agents: list[str], plan: Plan, began: float) -> Counted:
    """The calls of that day, each made; GitHub's limits are lifted: it could not be played."""
    clock = Clock()
    clock.at = int(began * SECOND)
    async with SimulatedGitHub(clock) as github, aiohttp.ClientSession() as session:
        github.limits.core = github.limits.points_a_minute = 10**9
        github.limits.content_a_minute = github.limits.content_an_hour = 10**9
        poller = await _poller(github, session, clock)
        first = len(github.requests)
        waiting = deque(deeds)
        for minute in range(int(plan.hours * 60)):
            while waiting and waiting[0].at < began + (minute + 1) * MINUTE:
                await poller.do(waiting.popleft())
            for agent in agents:
                await poller.poll(agent, minute)
            clock.forward(began + (minute + 1) * MINUTE - clock.now())
        return count_calls(github.requests[first:])


async def _poller(github: SimulatedGitHub, session: aiohttp.ClientSession, clock: Clock) -> Poller:
    client = GitHub(
        session,
        api_url=github.url,
        app_id=str(github.app.id),
        private_key=github.app.private_key,
        now=clock,
    )
    names = [f"acme/{each}" for each in NAMES]
    repositories = {each: github.repository(each, private=True) for each in names}
    person = github.person("octocat", dict.fromkeys(names, "admin"))
    held = github.install("acme", names, permissions=dict(PERMISSIONS))
    board = person.create_project("acme", "Work", ["Todo", "In Progress", "Done"])
    answer = await client.request(held.id, "GET", f"/orgs/acme/projectsV2/{board.number}/fields")
    (status,) = [each for each in answer.data if each["name"] == "Status"]
    options = {each["name"]["raw"]: each["id"] for each in status["options"]}
    place = (board.number, status["id"], options)
    return Poller(github, client, held.id, person, repositories, *place)


# --- Whether it kept the rules --------------------------------------------------------------------


def most_within(times: list[float], span: float) -> int:
    """The most in any stretch of so many seconds."""
    window: deque[float] = deque()
    most = 0
    for at in times:
        window.append(at)
        while window[0] <= at - span:
            window.popleft()
        most = max(most, len(window))
    return most


def broken_limits(here: Workspace) -> list[str]:
    """From GitHub's own records: what it said, and what can be counted in its requests."""
    limits = here.github.limits
    found = [*limits.exceeded, *limits.too_fast]
    if here.github.sent_while_limited:
        found.append(f"{here.github.sent_while_limited} sent while limited")
    for held in {each.installation_id for each in here.github.requests} - {None}:
        mine = [each for each in here.github.requests if each.installation_id == held]
        times = creation_times(mine)
        if most_within(times, MINUTE) > 80 or most_within(times, HOUR) > 500:
            found.append("too many that create content")
        if most_within([each.at for each in mine], HOUR) > 5000:
            found.append("too many in an hour")
    return found


def duplicates(day: Day) -> list[str]:
    """Marks of writes that stand twice; texts of the bot without one; a second card."""
    comments = [c for each in day.repositories for c in each.comments.values()]
    bodies = [each.body for each in comments if each.user.login.endswith("[bot]")]
    commits = {c.sha: c.message for each in day.repositories for c in each.commits.values()}
    marks = Counter(id_ for body in bodies for name, id_, _ in MARK.findall(body))
    lines = [line for text in commits.values() for line in text.splitlines()]
    marks.update(line for line in lines if line.startswith("Hubbub-Write:"))
    cards = Counter(
        f"card of {each.issue.repository.full_name}#{each.issue.number}"
        for each in comments
        if "**Hubbub** ·" in each.body and each.user.login.endswith("[bot]")
    )
    heads = Counter(f"{each.repository.full_name} {each.head}" for each in day.pulls())
    return [name for name, n in (marks + cards + heads).items() if n > 1]


async def wrong_ends(day: Day) -> list[str]:
    """Tasks that did not end as somebody meant them to."""
    rows = await day.here.rows(
        "SELECT r.full_name, t.number, t.state FROM tasks t JOIN repositories r "
        "ON r.installation_id = t.installation_id AND r.id = t.repository_id "
        "WHERE t.installation_id = :i"
    )
    ends = {(row["full_name"], row["number"]): row["state"] for row in rows}
    return [
        f"{each.repository.full_name}#{each.number}: {ends.get(key)}, meant {day.meant.get(key)}"
        for each in day.issues()
        if ends.get(key := (each.repository.full_name, each.number)) != day.meant.get(key)
        or key not in day.meant
    ]


async def unsent_writes(day: Day) -> dict[str, int]:
    """Writes by how they ended, but for those that took effect or were outdated."""
    rows = await day.here.rows(
        "SELECT kind, state, COUNT(*) AS n FROM writes WHERE installation_id = :i "
        "AND state NOT IN ('sent', 'superseded') GROUP BY kind, state"
    )
    return {f"{row['kind']} {row['state']}": row["n"] for row in rows}


async def sent_writes(day: Day) -> dict[str, int]:
    """Writes that took effect, by kind."""
    rows = await day.here.rows(
        "SELECT kind, COUNT(*) AS n FROM writes WHERE installation_id = :i AND state = 'sent' "
        "GROUP BY kind"
    )
    return {f"written: {row['kind']}": row["n"] for row in rows}


async def longest_waits(day: Day) -> dict[int, float]:
    """Seconds from queued to the last try, by lane: 0 people and bookkeeping, 1 agents."""
    rows = await day.here.rows(
        "SELECT lane, MAX(sending_at - queued_at) AS longest FROM writes "
        "WHERE installation_id = :i AND sending_at IS NOT NULL GROUP BY lane"
    )
    return {row["lane"]: row["longest"] / SECOND for row in rows}


@dataclass(frozen=True)
class Overhead:
    """What coordination costs agents, in seconds; all of it is counted, of whatever task.

    `in_calls`: real time until operations answered. `for_writes`: simulated time from queued to
    sent of each write that an agent asked for, as if it had waited for each. `working`: simulated
    time from claim to completion of the tasks that were completed; `until_review`: without the
    time in which people had the word.
    """

    calls: int
    in_calls: float
    for_writes: float
    working: float
    until_review: float

    @property
    def all(self) -> float:
        return self.in_calls + self.for_writes


async def overhead(day: Day) -> Overhead:
    (wrote,) = await day.here.rows(
        "SELECT SUM(finished_at - queued_at) AS waited FROM writes WHERE installation_id = :i "
        "AND state = 'sent' AND author IN :agents",
        agents=[each.actor.name for each in day.agents],
    )
    (had,) = await day.here.rows(
        "SELECT SUM(l.ended_at - l.granted_at) AS seconds FROM leases l JOIN tasks t "
        "ON t.installation_id = l.installation_id AND t.id = l.task_id "
        "WHERE l.installation_id = :i AND l.state = 'completed' AND t.state = 'completed'"
    )
    return Overhead(
        calls=sum(each.calls for each in day.agents),
        in_calls=sum(each.waited for each in day.agents),
        for_writes=(wrote["waited"] or 0) / SECOND,
        working=(had["seconds"] or 0) / SECOND,
        until_review=until_review(day.deeds),
    )


def until_review(deeds: list[Deed]) -> float:
    """Seconds from the claims to the reviews that came of them."""
    claimed: dict[tuple[str, tuple[str, int]], float] = {}
    seconds = 0.0
    for each in deeds:
        if each.kind == "claim":
            claimed[each.agent, each.task] = each.at
        elif each.kind == "review":
            seconds += each.at - claimed[each.agent, each.task]
    return seconds


def steady_reads(day: Day) -> Counter[str]:
    """After the first hour."""
    late = [each for each in day.here.github.requests if each.at > day.began + HOUR]
    return Counter(kind(each) for each in late if is_read(each))


@dataclass(frozen=True)
class Outcome:
    ours: Counted
    steady: Counter[str]
    completed: int
    deliveries: int
    waits: dict[int, float]
    overhead: Overhead
    happened: Counter[str]
    sent: dict[str, int]
    unsent: dict[str, int]
    # Whatever broke a rule, a sentence each.
    broken: list[str]
    deeds: list[Deed]
    agents: list[str]
    began: float
    busiest: tuple[int, int]


async def outcome(day: Day, first: int, delivered: int) -> Outcome:
    github = day.here.github
    times = creation_times(github.requests)
    return Outcome(
        ours=count_calls(github.requests[first:]),
        steady=steady_reads(day),
        completed=sum(each == "completed" for each in day.meant.values()),
        deliveries=len(github.deliveries) - delivered,
        waits=await longest_waits(day),
        overhead=await overhead(day),
        happened=day.happened,
        sent=await sent_writes(day),
        unsent=await unsent_writes(day),
        broken=broken_limits(day.here) + duplicates(day) + await wrong_ends(day),
        deeds=day.deeds,
        agents=[each.actor.name for each in day.agents],
        began=day.began,
        busiest=(most_within(times, MINUTE), most_within(times, HOUR)),
    )


def folder() -> tempfile.TemporaryDirectory[str]:
    """In memory where that can be: it is not the disk that is measured."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    return tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)


async def through_hubbub(plan: Plan) -> Outcome:
    clock = Clock()
    with folder() as name:
        url = f"sqlite:///{Path(name) / 'day.db'}"
        upgrade(url)
        store = await open_store(url, clock)
        try:
            async with open_workspace(store, clock, None) as here:
                day = await begin(here, plan)
                first, delivered = len(here.github.requests), len(here.github.deliveries)
                await play(day)
                return await outcome(day, first, delivered)
        finally:
            await store.close()


def comparison(found: Outcome, polled: Counted) -> Table:
    """Calls to GitHub by kind."""
    table = Table(title=f"Calls to GitHub, {len(found.agents)} agents")
    for name in ("call", "Hubbub", "per completed task", "polling", "ratio"):
        table.add_column(name, justify="left" if name == "call" else "right")
    ours = found.ours
    rows = [
        (name, ours.kinds[name], polled.kinds[name]) for name in sorted(ours.kinds | polled.kinds)
    ]
    sums = [
        (name, getattr(ours, name), getattr(polled, name))
        for name in ("reads", "writes", "content", "all")
    ]
    for name, a, b in [*rows, ("tokens", ours.tokens, 0), *sums]:
        table.add_row(name, str(a), f"{a / max(found.completed, 1):.2f}", str(b), _ratio(a, b))
    return table


def _ratio(a: int, b: int) -> str:
    return f"{a / b:.4f}" if b else "-"


def figures(found: Outcome, polled: Counted) -> Table:
    """What is aimed at, and what else happened."""
    table = Table("figure", "found", "goal", title="The day")
    steady = found.steady
    permissions = sum(n for name, n in steady.items() if name.endswith("/permission"))
    log = sum(n for name, n in steady.items() if LOG in name)
    rest = steady.total() - permissions - log
    ours = found.ours
    table.add_row("calls, of those by polling", _ratio(ours.all, polled.all), str(GOALS["calls"]))
    table.add_row("steady-state reads of the installation", str(rest), str(GOALS["reads"]))
    table.add_row("… permissions of people who gave commands", str(permissions), "")
    table.add_row("… of the App's log of deliveries, for repair", str(log), "")
    per_task = ours.writes / max(found.completed, 1)
    table.add_row("writes per completed task", f"{per_task:.1f}", str(GOALS["writes"]))
    for name, n in (("in a minute", found.busiest[0]), ("in an hour", found.busiest[1])):
        table.add_row(f"most content {name}", str(n), "80" if "minute" in name else "500")
    table.add_row("tasks completed", str(found.completed), "")
    table.add_row("deliveries received", str(found.deliveries), "")
    for lane, name in ((0, "people and bookkeeping"), (1, "agents")):
        longest = found.waits.get(lane, 0)
        table.add_row(f"longest wait of a write, {name}", f"{longest:.0f} s", "")
    for row in shares(found.overhead):
        table.add_row(*row)
    for group in (found.happened, found.sent, found.unsent):
        for name, n in sorted(group.items()):
            table.add_row(name, str(n), "")
    for name, n in sorted(steady.items()):
        table.add_row(f"read after the first hour: {name}", str(n), "")
    table.add_row("rules broken", str(len(found.broken)), "0")
    return table


def shares(cost: Overhead) -> list[tuple[str, str, str]]:
    """Coordination, as a share of the time that tasks took."""
    hours = cost.working / HOUR
    return [
        ("coordination, of claim to completion", _share(cost.all, cost.working), "10 %"),
        ("… of claim to review", _share(cost.all, cost.until_review), ""),
        (f"… waiting for the answers of {cost.calls:,} calls", f"{cost.in_calls:.0f} s", ""),
        ("… waiting for its writes to be sent", f"{cost.for_writes:,.0f} s", ""),
        ("… claim to completion, of all completed tasks", f"{hours:.0f} h", ""),
    ]


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "-"


def parse_plan() -> Plan:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in vars(Plan()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    return Plan(**vars(parser.parse_args()))


async def main() -> int:
    plan, console = parse_plan(), Console(width=120)
    began = time.monotonic()
    found = await through_hubbub(plan)
    between = time.monotonic()
    console.print(f"Played in {between - began:.0f} s")
    polled = await poll_through(found.deeds, found.agents, plan, found.began)
    console.print(comparison(found, polled))
    console.print(figures(found, polled))
    for each in found.broken[:20]:
        console.print(each)
    ended = time.monotonic()
    console.print(f"Played in {between - began:.0f} s, and by polling in {ended - between:.0f} s")
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
