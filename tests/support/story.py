"""A workspace for tests: simulated GitHub, Hubbub in this process, and a clock that we step."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer
from cachetools import TTLCache

from bot.background import agent_runs, expiry
from bot.background.request_scheduler import Sender
from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.fetch import backfill
from bot.files.texts import FileTexts
from bot.github.client import GitHub
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.identity.tokens import Tokens
from bot.inbox import worker
from bot.inbox.backpressure import Backpressure
from bot.kernel import event_kinds
from bot.kernel.operation import Shared
from bot.kernel.outside import Outside
from bot.mirror import reads
from bot.quotas import table
from bot.quotas.rates import Rates
from fixtures.github import Installation, Issue, Person, Repository, Request, SimulatedGitHub
from store.engine.transaction import Store
from store.mirror import mirror_rows
from store.tables.agents import Role
from webhooks.app import create_app

# The permissions of the App's manifest. The simulated GitHub refuses what they do not cover.
MANIFEST = (Path(__file__).parents[2] / "app.yml").read_text()
PERMISSIONS = re.findall(r"^  (\w+): (read|write)\b", MANIFEST, re.MULTILINE)
# More rounds than any test takes. A workspace that never comes to rest is a bug.
ROUNDS = 500


class Clock:
    """Microseconds UTC. It moves by `forward`, and at each call, so no two are equal."""

    def __init__(self) -> None:
        self.at = 1_800_000_000_000_000

    def __call__(self) -> int:
        self.at += 1
        return self.at

    def now(self) -> float:
        """Seconds, as the simulated GitHub reads it."""
        return self.at / 1_000_000

    def forward(self, seconds: float) -> None:
        self.at += int(seconds * 1_000_000)


@dataclass
class Agent:
    """An agent that calls operations as a surface would."""

    dispatcher: Dispatcher
    actor: Actor

    async def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        return await self.dispatcher.call(self.actor, operation, arguments)

    async def write(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation that answers with one write. Return the write."""
        (one,) = (await self.call(operation, **arguments))["writes"]
        return dict(one)

    async def refusal(self, operation: str, **arguments: Any) -> Refused:
        try:
            found = await self.call(operation, **arguments)
        except Refused as exc:
            return exc
        raise AssertionError(f"{operation} was not refused: {found}")


@dataclass
class Workspace:
    github: SimulatedGitHub
    dispatcher: Dispatcher
    sender: Sender
    clock: Clock
    repository: Repository
    installation: Installation
    person: Person

    @property
    def store(self) -> Store:
        return self.dispatcher.store

    async def agent(self, agent_id: str, role: Role = "developer", *capabilities: str) -> Agent:
        """A registered agent."""
        agent = Agent(self.dispatcher, Actor(self.installation.id, agent_id, role))
        await agent.call(
            "register_agent", agent_id=agent_id, name=agent_id, capabilities=list(capabilities)
        )
        return agent

    async def task(self, title: str = "Mend it", body: str = "") -> Issue:
        """An issue that agents may claim."""
        issue = self.person.open_issue(self.repository, title, body, labels=["agent-task"])
        await self.settle()
        return issue

    def name(self, issue: Issue) -> str:
        return f"{self.repository.full_name}#{issue.number}"

    def set_quotas(self, text: str) -> None:
        """The quotas of the server, as HUBBUB_QUOTAS would set them."""
        rates = Rates(table.parse(text), timer=lambda: self.clock() / 1_000_000)
        self.dispatcher.shared = replace(self.dispatcher.shared, rates=rates)
        self.dispatcher.activity.rates = rates

    async def settle(self) -> None:
        """Work until inbox and outbox are empty. The clock moves to when the sender may go on."""
        for _ in range(ROUNDS):
            await self.github.wait_for_deliveries()
            if await self._inbox_waits() and await worker.step(
                self.dispatcher.store, self.dispatcher.shared
            ):
                continue
            wait = await self.sender.step(self.installation.id)
            if wait:
                self.clock.forward(wait)
            elif wait is None and not await self._wait_for_due():
                return
        raise AssertionError("the workspace does not come to rest")

    async def _inbox_waits(self) -> bool:
        """Whether a delivery or command is due. The worker needs three statements to say no."""
        (row,) = await self.rows(
            "SELECT EXISTS (SELECT 1 FROM deliveries WHERE state IN ('received', 'failed') "
            "AND not_before <= :now) OR EXISTS (SELECT 1 FROM commands WHERE state = 'waiting' "
            "AND not_before <= :now) AS found",
            now=self.clock(),
        )
        return bool(row["found"])

    async def begin_backfill(self) -> None:
        """Begin all missing backfills. Other tests may have left repositories in the database."""
        while await backfill.begin_missing(self.store):
            pass

    async def read(self, wanted: reads.Read) -> None:
        """Queue a read and let it come to its end."""
        await self.store.write(lambda tx: reads.queue(tx, self.installation.id, wanted))
        await self.settle()

    async def process_delivery(self) -> bool:
        """Process a delivery, if one waits. Send nothing."""
        await self.github.wait_for_deliveries()
        return bool(await worker.step(self.dispatcher.store, self.dispatcher.shared))

    async def die_while_sending(self) -> None:
        """Let the sender's process die after its next mutation, and another one take over."""
        sent = len(self._mutations())
        while (wait := await self._try_to_send(sent)) is not None:
            self.clock.forward(wait)
        self.restart()

    def restart(self) -> None:
        """Another process takes over."""
        self.sender = Sender(
            self.dispatcher.store, self.sender.github, keys=self.dispatcher.shared.keys
        )

    async def _try_to_send(self, sent: int) -> float | None:
        """One step, torn apart once GitHub has a mutation more; else how long to wait."""
        step = asyncio.create_task(self.sender.step(self.installation.id))
        while not step.done():
            if len(self._mutations()) > sent:
                step.cancel()
                await asyncio.wait([step])
                return None
            await asyncio.sleep(0)
        if step.result() is None:
            assert await self._wait_for_due(), "nothing is left to send"
        return step.result() or 0

    def _mutations(self) -> list[Request]:
        return [
            each
            for each in self.github.requests
            if each.method != "GET" and "access_tokens" not in each.path
        ]

    async def _wait_for_due(self) -> bool:
        """Step to when the next write or read that was put off is due, if within the hour."""
        (row,) = await self.rows(
            "SELECT MIN(at) AS at FROM (SELECT MIN(not_before) AS at FROM writes WHERE "
            "installation_id = :i AND state IN ('queued', 'unknown') AND not_before > :now "
            "UNION ALL SELECT MIN(not_before) AS at FROM pending_reads WHERE "
            "installation_id = :i AND state = 'queued' AND not_before > :now) q",
            now=self.clock(),
        )
        if row["at"] is None or row["at"] > self.clock() + 3600 * 1_000_000:
            return False
        self.clock.forward((row["at"] - self.clock()) / 1_000_000)
        return True

    async def rows(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """Rows of this workspace's installation: `:i` in the SQL."""
        return await self.store.read(lambda tx: tx.all(sql, i=self.installation.id, **params))

    async def mirror_content(self, table: str) -> list[dict[str, Any]]:
        found = await self.store.read(
            lambda tx: mirror_rows.content(tx, table, self.installation.id)
        )
        return [row for row in found if not row["deleted"]]

    async def undocumented_events(self) -> list[tuple[str, list[str]]]:
        """Kinds of events that the registry lacks, and those with fields that it lacks."""
        found = await self.rows("SELECT DISTINCT kind, data FROM events WHERE installation_id = :i")
        fields: dict[str, set[str]] = {}
        for row in found:
            fields.setdefault(row["kind"], set()).update(json.loads(row["data"]))
        return [
            (kind, sorted(names))
            for kind, names in fields.items()
            if kind not in event_kinds.KINDS or not names <= {*event_kinds.KINDS[kind].data}
        ]

    async def time_passes(self, seconds: float) -> None:
        self.clock.forward(seconds)
        await expiry.step(self.dispatcher.store)
        await agent_runs.step(self.dispatcher.store, self.dispatcher.shared.caps.currency)
        await self.settle()


@asynccontextmanager
async def open_workspace(
    store: Store, clock: Clock, openapi: Path | None
) -> AsyncIterator[Workspace]:
    """acme/rocket with the App installed, and octocat, who administers it."""
    first = secrets.randbelow(2**40)
    async with (
        SimulatedGitHub(clock, openapi, first) as github,
        aiohttp.ClientSession() as session,
    ):
        # A cache has its own time, so `touched` remembers nothing, and every call is recorded.
        keys = Keys(secrets.token_hex(32))
        shared = Shared(keys, outside=Outside(files=FileTexts(store, keys)))
        dispatcher = Dispatcher(store, shared, touched=TTLCache(1, 0))
        app = create_app(
            dispatcher,
            Tokens(store, dispatcher.shared.keys),
            pressure=Backpressure(),
            webhook_secrets=[github.app.webhook_secret],
        )
        server = TestServer(app)
        await server.start_server()
        github.app.webhook_url = str(server.make_url("/webhooks/github"))
        client = GitHub(
            session,
            api_url=github.url,
            app_id=str(github.app.id),
            private_key=github.app.private_key,
            now=clock,
        )
        repository = github.repository("acme/rocket", private=True)
        person = github.person("octocat", permissions={"acme/rocket": "admin"})
        installation = github.install("acme", ["acme/rocket"], permissions=dict(PERMISSIONS))
        made = Workspace(
            github,
            dispatcher,
            Sender(dispatcher.store, client, keys=dispatcher.shared.keys),
            clock,
            repository,
            installation,
            person,
        )
        await made.settle()
        yield made
        await server.close()
        assert await made.undocumented_events() == [], "see bot/kernel/event_kinds.py"
        assert github.violations == []
        assert github.sent_while_limited == 0


async def _ready() -> dict[str, str]:
    return {}
