"""A team of agents builds a small library in half an hour: writes, waits, calls and characters.

Three coding agents, a lead and a maintainer play the same deeds each time, on a stepped clock,
against the simulated GitHub. The agents call tools over MCP as a client does, and only tools and
arguments that versions from 0.6 on have, so that two versions can be compared. What an agent sees
decides little: the script knows from the simulated GitHub and the database how far the work is.
`python -m tests.benchmarks.trial`.
"""

import asyncio
import heapq
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from statistics import mean
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer
from rich.console import Console
from rich.table import Table

from bot.background import expiry
from bot.identity.actors import BOT
from bot.identity.server_address import LOOPBACK
from bot.identity.tokens import Tokens
from bot.inbox import worker
from bot.inbox.backpressure import Backpressure
from bot.times import SECOND
from fixtures.github import Issue, Pull
from mcp_server import http
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.tables.agents import Role
from tests.benchmarks.callers import META, MODERN
from tests.benchmarks.day import MINUTE, broken_limits, folder, is_read, is_token
from tests.benchmarks.library import CONVENTIONS, Piece, pieces, source
from tests.support.api_keys import add_api_key
from tests.support.story import Clock, Workspace, open_workspace
from webhooks.app import create_app

LABEL = "agent-task"
# A model takes about so long to think before each call, and to write a file.
THINKING, WRITING = 4.0, 12.0
# How long one call waits for events, and how often the script looks whether there are any.
LONGEST_WAIT, LOOK_EVERY = 55.0, 2.0
# Everybody goes home, whatever is left.
MOST_TIME = 45 * MINUTE
FIRST_HALF_HOUR, TEN_MINUTES = 30 * MINUTE, 10 * MINUTE
# Comments that were written just before, so that a third of GitHub's allowance is left.
WRITTEN_BEFORE = 120
GOALS = {"writes": 10, "wait": 20}

WAIT = "wait_for_events"

Life = AsyncIterator[float]


# What the maintainer writes: when, on which piece, what.
DEEDS = (
    (60, 8, "/priority high"),
    (75, 9, "/why"),
    (90, 2, "/status"),
    (110, 1, "Please mention the limits in the docstring."),
    (120, 4, "/hold wait for the name of the module"),
    (150, 3, "/ask Does it count characters or bytes?"),
    (165, 9, "/priority low"),
    (180, 4, "/resume"),
    (195, 6, "/asign @eve"),
    (210, 6, "/help"),
    (225, 5, "/ask Which normal form do you take?"),
    (240, 5, "/release try it without a regular expression"),
    (255, 10, "/why"),
    (270, 7, "The maximum length is 80, not 64."),
    (285, 7, "/hold the maximum is not decided"),
    (330, 7, "/resume"),
    (345, 10, "/assign @eve"),
    (360, 8, "/why"),
    (375, 9, "/status"),
    (400, 10, "/agents"),
    (420, 8, "/hodl"),
    (440, 8, "/ask Is there a test for --help?"),
    (460, 9, "/priority high"),
    (480, 6, "/status"),
    (500, 8, "/hold one moment"),
    (540, 8, "/resume"),
    (560, 10, "/priority medium"),
    (600, 10, "/status"),
)


class LostError(Exception):
    """The agent has lost its task."""


LOST = {"stale_fence", "not_holder", "illegal_transition"}


@dataclass
class Member:
    """An agent with its MCP client, and the events and writes that it knows of."""

    name: str
    token: str
    url: str
    session: aiohttp.ClientSession
    calls: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    cursor: str | None = None
    seen: int = 0
    # The numbers of the pull requests that it was asked to review.
    asked: list[int] = field(default_factory=list)

    async def call(self, tool: str, **arguments: Any) -> Any:
        """The answer, counted as the text that a client hands to its model. Raise LostError."""
        text, is_error = await self._ask(tool, arguments)
        self.count(tool, text)
        answer = json.loads(text)
        if is_error:
            code = answer["error"]["code"]
            self.errors[f"{tool}: {code}"] += 1
            if code in LOST:
                raise LostError(code)
        return answer

    def count(self, tool: str, text: str) -> None:
        self.calls[tool] += 1
        self.characters[tool] += len(text)

    async def next_events(self, *, is_last: bool) -> bool:
        """Whether a call that waits would return: at its last look, or because of events.

        Only then it is counted.
        """
        given: dict[str, Any] = {"topics": ["tasks", "messages"]}
        if self.cursor is not None:
            given["cursor"] = self.cursor
        text, is_error = await self._ask(WAIT, given)
        answer = json.loads(text)
        assert not is_error, answer
        self.cursor = answer["cursor"]
        returns = is_last or bool(answer.get("events"))
        if returns:
            self.count(WAIT, text)
        return returns

    async def _ask(self, tool: str, arguments: dict[str, Any]) -> tuple[str, bool]:
        params = {"name": tool, "arguments": arguments, "_meta": META}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": MODERN,
            "Mcp-Method": "tools/call",
            "Mcp-Name": tool,
        }
        async with self.session.post(self.url, json=body, headers=headers) as response:
            said = await response.text()
        lines = [each for each in said.splitlines() if each.startswith("data:")]
        message = json.loads(lines[-1].removeprefix("data:") if lines else said)
        assert "result" in message, message
        result = message["result"]
        return "".join(each["text"] for each in result["content"]), bool(result.get("isError"))


@dataclass
class Trial:
    """A life is a generator: what it gives is how many seconds it pauses."""

    here: Workspace
    members: dict[str, Member]
    pieces: list[Piece]
    began: float = 0
    # By the number of the issue: how often its work was committed, and what was said of its pull.
    committed: Counter[int] = field(default_factory=Counter)
    approved: dict[int, float] = field(default_factory=dict)
    reviewed: Counter[int] = field(default_factory=Counter)
    handed_over: set[int] = field(default_factory=set)
    context: str = ""
    # The titles of the tasks about which a person answered a question.
    answered: set[str] = field(default_factory=set)
    happened: Counter[str] = field(default_factory=Counter)
    _number: Any = field(default_factory=count)

    @property
    def now(self) -> float:
        return self.here.clock.now() - self.began

    # --- What the script knows --------------------------------------------------------------------

    def issue(self, piece: Piece) -> Issue | None:
        found = [
            each
            for each in self.here.repository.issues.values()
            if each.title == piece.title and each.pull is None
        ]
        return found[0] if found else None

    def piece(self, number: int) -> Piece | None:
        title = self.here.repository.issues[number].title
        return next((each for each in self.pieces if each.title == title), None)

    def pull(self, piece: Piece) -> Pull | None:
        found = [each for each in self.here.repository.pulls.values() if each.head == piece.branch]
        return found[-1] if found else None

    def is_merged(self, piece: Piece) -> bool:
        pull = self.pull(piece)
        return pull is not None and pull.merged_at is not None

    def is_done(self) -> bool:
        return all(self.is_merged(each) for each in self.pieces)

    def name(self, number: int) -> str:
        return f"{self.here.repository.full_name}#{number}"

    async def held(self, member: Member) -> dict[str, Any] | None:
        """The task that the agent holds: its number, and the fence."""
        rows = await self.here.rows(
            "SELECT t.number, t.fence, t.held FROM tasks t JOIN leases l "
            "ON l.installation_id = t.installation_id AND l.id = t.lease_id "
            "WHERE t.installation_id = :i AND l.holder = :h AND l.ended_at IS NULL",
            h=member.name,
        )
        return rows[0] if rows else None

    async def newest_write(self, member: Member) -> dict[str, Any]:
        rows = await self.here.rows(
            "SELECT id, state FROM writes WHERE installation_id = :i AND author = :a "
            "ORDER BY seq DESC LIMIT 1",
            a=member.name,
        )
        return rows[0]

    async def newest_event(self) -> int:
        (row,) = await self.here.rows(
            "SELECT MAX(seq) AS seq FROM events WHERE installation_id = :i"
        )
        return int(row["seq"] or 0)

    async def has_unread(self, member: Member) -> bool:
        rows = await self.here.rows(
            "SELECT 1 AS found FROM receipts WHERE installation_id = :i AND agent_id = :a "
            "AND state <> 'read' LIMIT 1",
            a=member.name,
        )
        return bool(rows)

    # --- Time -------------------------------------------------------------------------------------

    async def live(self, lives: list[Life]) -> None:
        order = count()
        waiting = [(0.0, next(order), life) for life in lives]
        while waiting and not self.is_done() and self.now < MOST_TIME:
            at, _, life = heapq.heappop(waiting)
            await self.until(at)
            pause = await anext(life, None)
            if pause is not None:
                heapq.heappush(waiting, (self.now + pause, next(order), life))
        await self.until(self.now + MINUTE)

    async def until(self, at: float) -> None:
        """The server works; time is stepped to what is due next."""
        while True:
            await self.here.github.wait_for_deliveries()
            store, shared = self.here.store, self.here.dispatcher.shared
            if await worker.step(store, shared) or await expiry.step(store):
                continue
            wait = await self.here.sender.step(self.here.installation.id)
            if wait == 0:
                continue
            due = min([at, self.now + LOOK_EVERY, *([self.now + wait] if wait else [])])
            self.here.clock.forward(max(0, due - self.now))
            if due >= at:
                return

    # --- What agents do again and again -----------------------------------------------------------

    def text(self, words: str) -> str:
        """No two are the same."""
        return f"{words} ({next(self._number)})"

    async def awaits(self, member: Member, ready: Callable[[], bool], limit: float) -> Life:
        """Wait by wait_for_events, call after call, until it is ready or the time is over."""
        ends = self.now + limit
        while not ready() and self.now < ends:
            async for pause in self._next_events(member, min(LONGEST_WAIT, ends - self.now)):
                yield pause
            yield THINKING
            if await self.has_unread(member):
                async for pause in self.read_messages(member):
                    yield pause

    async def _next_events(self, member: Member, limit: float) -> Life:
        """One call that waits. What it would not return from is not counted."""
        ends = self.now + limit
        while True:
            newest, is_last = await self.newest_event(), self.now >= ends
            if is_last or newest > member.seen or member.cursor is None:
                member.seen = newest
                if await member.next_events(is_last=is_last):
                    return
            yield LOOK_EVERY

    async def read_messages(self, member: Member) -> Life:
        found = (await member.call("get_messages")).get("messages", [])
        yield THINKING
        if not found:
            return
        await member.call("mark_message_read", message_id=[each["id"] for each in found])
        yield THINKING
        for each in found:
            if each["body"].startswith("Please review"):
                member.asked.append(int(each["body"].split("#")[1].split()[0]))
            elif each["body"].endswith("?"):
                await self._reply(member, each)
                yield THINKING

    async def _reply(self, member: Member, message: dict[str, Any]) -> None:
        """To an agent by a message, to a person by a comment."""
        body = self.text("Yes, as the conventions say; the pull request says so too.")
        if message["sender"].startswith("@"):
            await member.call("github_comment_issue", issue=message["task"], body=body)
        else:
            await member.call("send_message", to=message["sender"], body=body)

    async def write(self, member: Member, tool: str, **arguments: Any) -> Life:
        """Queue a write, wait until it ended, and read how by get_write. On hold try again."""
        answer = await member.call(tool, **arguments)
        while answer.get("error", {}).get("code") == "on_hold":
            async for pause in self.awaits(member, lambda: False, 30):
                yield pause
            answer = await member.call(tool, **arguments)
        if "error" in answer:
            yield THINKING
            return
        write = await self.newest_write(member)
        yield LOOK_EVERY
        while (await self.newest_write(member))["state"] in ("queued", "sending", "unknown"):
            yield LOOK_EVERY
        await member.call("get_write", write_id=write["id"])
        yield THINKING

    # --- Coding agents ----------------------------------------------------------------------------

    async def code(self, member: Member, reviewer: str) -> Life:
        """Look for work, do it, review what others ask for, again."""
        await member.call("register_agent", agent_id=member.name, name=member.name.title())
        yield THINKING
        for tool in ("get_messages", "list_agents", "list_contexts"):
            await member.call(tool)
            yield THINKING
        while True:
            async for pause in self.serve(member):
                yield pause
            await member.call("list_tasks", state="ready")
            yield THINKING
            if "error" in await member.call("claim_task"):
                yield THINKING
                async for pause in self.awaits(member, lambda: bool(member.asked), 45):
                    yield pause
                continue
            yield THINKING
            try:
                async for pause in self.work(member, reviewer):
                    yield pause
            except LostError:
                self.happened["task lost"] += 1
                await member.call("get_messages")
                yield THINKING

    async def work(self, member: Member, reviewer: str) -> Life:
        """One task, from the claim to the merge."""
        held = await self.held(member)
        assert held is not None
        number = int(held["number"])
        mine = {"task": self.name(number), "fence": int(held["fence"])}
        piece = self.piece(number)
        assert piece is not None, "agents claim only what the plan has"
        self.happened["claim"] += 1
        for steps in (self.understand, self.build, self.propose):
            async for pause in steps(member, piece, mine):
                yield pause
        async for pause in self.see_through(member, piece, mine, reviewer):
            yield pause

    async def understand(self, member: Member, piece: Piece, mine: dict[str, Any]) -> Life:
        task = mine["task"]
        await member.call("get_task", task=task)
        yield THINKING
        await member.call("github_get_thread", task=task)
        yield THINKING
        if self.context:
            await member.call("get_context", context_id=self.context)
            yield THINKING
        await member.call("github_search", query=piece.word)
        yield THINKING
        async for pause in self.report(member, mine, 10, "I read the task and begin"):
            yield pause
        if piece.asks_agent:
            body = self.text(f"Does {piece.word} keep digits") + "?"
            shown = {"visibility": "issue"} if piece.shows_message else {}
            await member.call("send_message", to="lead", body=body, task=task, **shown)
            yield THINKING
            async for pause in self.awaits(member, lambda: False, 30):
                yield pause
        if piece.asks_people:
            question = self.text(f"Shall {piece.word} raise ValueError or return an empty text?")
            await member.call("update_task_status", **mine, status="in_progress", question=question)
            self.happened["question"] += 1
            async for pause in self.awaits(member, lambda: piece.title in self.answered, 300):
                yield pause
            await member.call("github_get_thread", task=task)
            yield THINKING

    async def build(self, member: Member, piece: Piece, mine: dict[str, Any]) -> Life:
        number = int(mine["task"].split("#")[1])
        for n in range(min(self.committed[number], piece.commits - 1), piece.commits):
            files = [{"path": path, "content": source(piece, n)} for path in piece.files[n : n + 1]]
            yield WRITING
            await member.call("list_tasks", holder=member.name)
            yield THINKING
            async for pause in self.commit(member, piece, mine, files):
                yield pause
            if piece.shows_message:
                await self._show(member, mine, f"{files[0]['path']} may be read now")
                yield THINKING
            done = 20 + 60 * (n + 1) // piece.commits
            async for pause in self.report(member, mine, done, f"Part {n + 1} is committed"):
                yield pause
            if piece.hands_over and number not in self.handed_over:
                self.handed_over.add(number)
                note = self.text(f"{piece.files[0]} is committed; its tests are missing")
                await member.call("release_task", **mine, note=note)
                self.happened["hand-over"] += 1
                yield THINKING
                raise LostError("released")
        if piece.comments:
            body = self.text(f"{piece.word} needs no dependency; I keep to the standard library")
            async for pause in self.write(
                member, "github_comment_issue", issue=mine["task"], fence=mine["fence"], body=body
            ):
                yield pause

    async def _show(self, member: Member, mine: dict[str, Any], words: str) -> None:
        """A message that people see on the card."""
        body = self.text(words)
        await member.call(
            "send_message", to="lead", body=body, task=mine["task"], visibility="issue"
        )

    async def commit(
        self, member: Member, piece: Piece, mine: dict[str, Any], files: list[dict[str, str]]
    ) -> Life:
        message = self.text(f"Add {files[0]['path']}")
        async for pause in self.write(
            member,
            "github_commit_files",
            **mine,
            branch=piece.branch,
            message=message,
            files=files,
        ):
            yield pause
        self.committed[int(mine["task"].split("#")[1])] += 1

    async def report(self, member: Member, mine: dict[str, Any], progress: int, note: str) -> Life:
        await member.call(
            "update_task_status",
            **mine,
            status="in_progress",
            progress=progress,
            note=self.text(note),
        )
        yield THINKING

    async def propose(self, member: Member, piece: Piece, mine: dict[str, Any]) -> Life:
        async for pause in self.write(
            member,
            "github_create_pr",
            **mine,
            head=piece.branch,
            title=piece.title,
            body=self.text(f"{piece.body}\n\nTests are in {piece.files[-1]}."),
        ):
            yield pause
        await member.call("get_task", task=mine["task"])
        yield THINKING
        await member.call(
            "update_task_status",
            **mine,
            status="in_review",
            progress=90,
            note=self.text("The pull request waits for a review"),
        )
        yield THINKING

    async def see_through(
        self, member: Member, piece: Piece, mine: dict[str, Any], reviewer: str
    ) -> Life:
        """Ask for a review, mend what it finds, and wait for the merge."""
        pull = self.pull(piece)
        if pull is None:
            return
        who = "lead" if piece.lead_reviews else reviewer

        def is_reviewed(n: int) -> bool:
            return self.reviewed[pull.number] > n or self.is_merged(piece)

        for n in range(2):
            body = self.text(f"Please review #{pull.number} {piece.title}")
            await member.call("send_message", to=who, body=body, task=mine["task"])
            yield THINKING
            async for pause in self.attend(member, partial(is_reviewed, n)):
                yield pause
            if pull.number in self.approved or self.is_merged(piece):
                break
            await member.call("github_get_thread", task=self.name(pull.number))
            yield THINKING
            async for pause in self.report(member, mine, 80, "I mend what the review found"):
                yield pause
            files = [{"path": piece.files[0], "content": source(piece, 7 + n)}]
            yield WRITING
            async for pause in self.commit(member, piece, mine, files):
                yield pause
            await member.call("update_task_status", **mine, status="in_review", progress=95)
            yield THINKING
        async for pause in self.attend(member, lambda: self.is_merged(piece)):
            yield pause
        await member.call("get_task", task=mine["task"])
        yield THINKING

    async def attend(self, member: Member, ready: Callable[[], bool]) -> Life:
        """Wait, and review meanwhile what others ask for."""
        ends = self.now + 8 * MINUTE
        while not ready() and self.now < ends:
            async for pause in self.awaits(member, lambda: ready() or bool(member.asked), 120):
                yield pause
            async for pause in self.serve(member):
                yield pause

    # --- Reviews ----------------------------------------------------------------------------------

    async def serve(self, member: Member) -> Life:
        """Review the pull requests that the agent was asked to review."""
        while member.asked:
            pull = self.here.repository.pulls[member.asked.pop(0)]
            piece = next((each for each in self.pieces if each.branch == pull.head), None)
            if piece is None or pull.state != "open":
                continue
            async for pause in self.review(member, piece, pull):
                yield pause

    async def review(self, member: Member, piece: Piece, pull: Pull) -> Life:
        await member.call("github_get_thread", task=self.name(pull.number))
        yield THINKING
        issue = self.issue(piece)
        assert issue is not None
        await member.call("get_task", task=self.name(issue.number))
        yield WRITING
        demands = piece.is_sent_back and not self.reviewed[pull.number]
        event = "REQUEST_CHANGES" if demands else "APPROVE"
        words = "An empty text is not handled" if demands else "It does what the task says"
        async for pause in self.write(
            member,
            "github_review_pr",
            pull_request=self.name(pull.number),
            event=event,
            body=self.text(words),
        ):
            yield pause
        self.reviewed[pull.number] += 1
        self.happened["review"] += 1
        if not demands:
            self.approved[pull.number] = self.now
        body = self.text(f"I reviewed #{pull.number}: {event.lower()}")
        holder = await self._holder(issue.number)
        if holder and holder != member.name:
            await member.call("send_message", to=holder, body=body)
        yield THINKING

    async def _holder(self, number: int) -> str | None:
        rows = await self.here.rows(
            "SELECT l.holder FROM tasks t JOIN leases l ON l.installation_id = t.installation_id "
            "AND l.id = t.lease_id WHERE t.installation_id = :i AND t.number = :n "
            "AND l.ended_at IS NULL",
            n=number,
        )
        return rows[0]["holder"] if rows else None

    # --- The lead ---------------------------------------------------------------------------------

    async def lead(self, member: Member) -> Life:
        await member.call("register_agent", agent_id=member.name, name="Lead")
        yield THINKING
        made = await member.call("create_context", name="conventions", content=CONVENTIONS)
        self.context = made["context"]["id"]
        yield THINKING
        for to in ("role:developer", "role:tech-lead"):
            await member.call("share_context", context_id=self.context, to=to, access="read")
            yield THINKING
        async for pause in self.plan(member):
            yield pause
        await member.call(
            "send_message",
            to="everybody",
            body="The tasks are there. Read the context conventions first, and review each other.",
        )
        yield THINKING
        for n in count():
            async for pause in self.awaits(member, lambda: bool(member.asked), 40):
                yield pause
            async for pause in self.serve(member):
                yield pause
            async for pause in self.look_around(member, n):
                yield pause

    async def plan(self, member: Member) -> Life:
        where = self.here.repository.full_name
        for each in self.pieces:
            await member.call(
                "create_task",
                repository=where,
                title=each.title,
                body=each.body,
                priority=each.priority,
            )
            yield THINKING
        blocked = [each for each in self.pieces if each.after]
        while not all(self.issue(each) for each in self.pieces):
            yield LOOK_EVERY
        for each in blocked:
            issue, before = self.issue(each), self.issue(self.pieces[each.after - 1])
            assert issue is not None
            assert before is not None
            async for pause in self.write(
                member,
                "github_update_issue",
                issue=self.name(issue.number),
                blocked_by=[self.name(before.number)],
            ):
                yield pause

    async def look_around(self, member: Member, n: int) -> Life:
        """What a lead looks at now and then."""
        await member.call("list_tasks", state="open")
        yield THINKING
        open_ones = [
            issue
            for each in self.pieces
            if (issue := self.issue(each)) is not None and issue.state == "open"
        ]
        if open_ones:
            task = self.name(open_ones[n % len(open_ones)].number)
            await member.call("get_task", task=task)
            yield THINKING
            if n % 3 == 2:
                await member.call("explain_task", task=task)
                yield THINKING
        if n % 4 == 1:
            await member.call("list_agents")
            yield THINKING
        if n % 5 == 3:
            await member.call("get_budget")
            yield THINKING

    # --- The maintainer ---------------------------------------------------------------------------

    async def maintain(self) -> Life:
        """A person on GitHub: merges what is approved, answers, and steers by commands."""
        deeds = self.steering()
        while True:
            yield 5.0
            await anext(deeds)
            for number, at in list(self.approved.items()):
                pull = self.here.repository.pulls[number]
                if pull.state == "open" and self.now > at + 25:
                    self.here.person.merge(pull)
                    self.happened["merge"] += 1
            for each in self.pieces:
                await self._answer(each)

    async def _answer(self, piece: Piece) -> None:
        issue = self.issue(piece)
        if issue is None or not piece.asks_people or piece.title in self.answered:
            return
        if any("**Question.**" in each.body for each in issue.comments):
            self.here.person.comment(issue, self.text("Raise ValueError, as the others do."))
            self.answered.add(piece.title)
            self.happened["answer of a person"] += 1

    def say(self, issue: Issue, text: str) -> None:
        self.here.person.comment(issue, text)
        self.happened["command" if text.startswith("/") else "comment of a person"] += 1

    async def steering(self) -> AsyncIterator[None]:
        """One deed after the other, each when its time has come."""
        for at, n, text in DEEDS:
            while self.now < at or (issue := self.issue(self.pieces[n - 1])) is None:
                yield
            if issue.state == "open":
                self.say(issue, text)
        extra = self.here.person.open_issue(
            self.here.repository, "Rewrite it in Rust", "Some day.", labels=[LABEL, "later"]
        )
        yield
        self.say(extra, "/cancel not now")
        while True:
            yield


# --- What it cost ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Waits:
    """Seconds from queued to sent, of the writes of agents."""

    longest: float
    of_kind: str
    mean: float
    n: int


@dataclass(frozen=True)
class Outcome:
    completed: int
    minutes: float
    # Requests that change something, as GitHub got them.
    requests: int
    by_agents: Counter[str]
    by_bot: Counter[str]
    by_people: Counter[str]
    ends: Counter[str]
    first_half_hour: Waits
    first_ten: Waits
    calls: Counter[str]
    characters: Counter[str]
    errors: Counter[str]
    happened: Counter[str]
    broken: list[str]


async def _sent(trial: Trial) -> dict[str, Counter[str]]:
    rows = await trial.here.rows(
        "SELECT author, kind, COUNT(*) AS n FROM writes WHERE installation_id = :i "
        "AND state = 'sent' AND queued_at > :began GROUP BY author, kind",
        began=int(trial.began * SECOND),
    )
    found: dict[str, Counter[str]] = {"agents": Counter(), "bot": Counter(), "people": Counter()}
    for row in rows:
        who = "bot" if row["author"] == BOT else "people" if "@" in row["author"] else "agents"
        found[who][row["kind"]] += row["n"]
    return found


async def _waits(trial: Trial, until: float) -> Waits:
    """Without the time for which people held the task of a write."""
    rows = await trial.here.rows(
        "SELECT queued_at, sending_at, kind, task_id, lease_id FROM writes "
        "WHERE installation_id = :i AND state = 'sent' AND author IN :agents "
        "AND sending_at IS NOT NULL AND queued_at < :until",
        agents=tuple(trial.members),
        until=int((trial.began + until) * SECOND),
    )
    holds = await _holds(trial)
    waited = []
    for row in rows:
        held = sum(
            max(0, min(end, row["sending_at"]) - max(begin, row["queued_at"]))
            for begin, end in holds[row["lease_id"] and row["task_id"]]
        )
        waited.append(((row["sending_at"] - row["queued_at"] - held) / SECOND, row["kind"]))
    longest, kind = max(waited, default=(0, ""))
    return Waits(longest, kind, mean([each for each, _ in waited] or [0]), len(waited))


async def _holds(trial: Trial) -> dict[str | None, list[tuple[int, int]]]:
    """When each task was on hold, by its id."""
    rows = await trial.here.rows(
        "SELECT subject, kind, at FROM events WHERE installation_id = :i "
        "AND kind IN ('task.held', 'task.resumed') ORDER BY seq"
    )
    found = defaultdict[str | None, list[tuple[int, int]]](list)
    began: dict[str, int] = {}
    for row in rows:
        if row["kind"] == "task.held":
            began.setdefault(row["subject"], row["at"])
        elif row["subject"] in began:
            found[row["subject"]].append((began.pop(row["subject"]), row["at"]))
    return found


async def _ends(trial: Trial) -> Counter[str]:
    rows = await trial.here.rows(
        "SELECT kind, state, author FROM writes WHERE installation_id = :i AND state <> 'sent'"
    )
    return Counter(f"{row['kind']} {row['state']}" for row in rows)


async def _completed(trial: Trial) -> int:
    (row,) = await trial.here.rows(
        "SELECT COUNT(*) AS n FROM tasks WHERE installation_id = :i AND state = 'completed'"
    )
    return int(row["n"])


async def outcome(trial: Trial, first: int, minutes: float) -> Outcome:
    requests = trial.here.github.requests[first:]
    sent = await _sent(trial)
    members = trial.members.values()
    return Outcome(
        completed=await _completed(trial),
        minutes=minutes,
        requests=sum(not is_read(each) and not is_token(each) for each in requests),
        by_agents=sent["agents"],
        by_bot=sent["bot"],
        by_people=sent["people"],
        ends=await _ends(trial),
        first_half_hour=await _waits(trial, FIRST_HALF_HOUR),
        first_ten=await _waits(trial, TEN_MINUTES),
        calls=sum((each.calls for each in members), Counter()),
        characters=sum((each.characters for each in members), Counter()),
        errors=sum((each.errors for each in members), Counter()),
        happened=trial.happened,
        broken=broken_limits(trial.here),
    )


# --- The stage ------------------------------------------------------------------------------------


@asynccontextmanager
async def members_of(here: Workspace, roles: dict[str, Role]) -> AsyncIterator[dict[str, Member]]:
    """Agents with MCP clients, at a server of this process."""
    keys, tokens = here.dispatcher.shared.keys, Tokens(here.store, here.dispatcher.shared.keys)
    hosts = http.allowed_hosts(LOOPBACK)
    app = create_app(
        here.dispatcher,
        tokens,
        pressure=Backpressure(),
        webhook_secrets=["not used"],
        mcp=partial(http.serving, here.dispatcher, tokens, hosts),
    )
    server = TestServer(app)
    await server.start_server()
    async with aiohttp.ClientSession() as session:
        url = str(server.make_url("/mcp"))
        found = {}
        for name, role in roles.items():
            token = await here.store.write(
                partial(
                    add_api_key,
                    keys=keys,
                    installation_id=here.installation.id,
                    actor=name,
                    role=role,
                )
            )
            found[name] = Member(name, token, url, session)
        yield found
    await server.close()


async def spend(here: Workspace) -> None:
    """Use a part of the allowance, as work on another project of the installation would."""
    other = await here.agent("other")
    for n in range(0, WRITTEN_BEFORE, 30):
        issue = here.person.open_issue(here.repository, f"Another project ({n})")
        await here.settle()
        for k in range(30):
            await other.call("github_comment_issue", issue=here.name(issue), body=f"Note {n + k}")
    await here.settle()


ROLES: dict[str, Role] = {
    "lead": "tech-lead",
    "ann": "developer",
    "bob": "developer",
    "eve": "developer",
}


async def play() -> Outcome:
    clock = Clock()
    with folder() as name:
        url = f"sqlite:///{name}/trial.db"
        upgrade(url)
        store = await open_store(url, clock)
        try:
            async with (
                open_workspace(store, clock, None) as here,
                members_of(here, ROLES) as members,
            ):
                for label in (LABEL, "later"):
                    here.person.create_label(here.repository, label)
                await here.settle()
                await spend(here)
                trial = Trial(here, members, pieces(), began=clock.now())
                first = len(here.github.requests)
                await trial.live(
                    [
                        trial.lead(members["lead"]),
                        trial.code(members["ann"], "bob"),
                        trial.code(members["bob"], "eve"),
                        trial.code(members["eve"], "ann"),
                        trial.maintain(),
                    ]
                )
                return await outcome(trial, first, (trial.now - MINUTE) / MINUTE)
        finally:
            await store.close()


def table(found: Outcome) -> Table:
    shown = Table("figure", "found", "per completed task", "goal", title="The trial")
    tasks = max(found.completed, 1)

    def row(name: str, n: float, goal: object = "") -> None:
        shown.add_row(name, f"{n:,.0f}", f"{n / tasks:,.1f}", str(goal))

    shown.add_row("tasks completed", str(found.completed), "", "10")
    shown.add_row("minutes", f"{found.minutes:.0f}", "", "")
    row("writes, as requests", found.requests, GOALS["writes"])
    for name, kinds in (
        ("agents", found.by_agents),
        ("the bot", found.by_bot),
        ("people", found.by_people),
    ):
        row(f"writes of {name}", kinds.total())
        for kind, n in sorted(kinds.items(), key=lambda each: -each[1]):
            row(f"… {kind}", n)
    for name, waits, goal in (
        ("the first half hour", found.first_half_hour, f"{GOALS['wait']} s"),
        ("the first ten minutes", found.first_ten, ""),
    ):
        shown.add_row(
            f"longest wait of an agent's write, {name}",
            f"{waits.longest:.0f} s",
            waits.of_kind,
            goal,
        )
        shown.add_row(f"mean wait of {waits.n}", f"{waits.mean:.1f} s", "", "")
    row("calls", found.calls.total())
    row("characters of answers", found.characters.total())
    for tool, n in sorted(found.characters.items(), key=lambda each: -each[1]):
        row(f"… {tool}, {found.calls[tool]} calls", n)
    for group in (found.errors, found.ends, found.happened):
        for name, n in sorted(group.items()):
            shown.add_row(name, str(n), "", "")
    return shown


async def main() -> int:
    console = Console(width=110)
    began = time.monotonic()
    found = await play()
    console.print(table(found))
    for each in found.broken[:20]:
        console.print(each)
    console.print(f"Played in {time.monotonic() - began:.0f} s")
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
