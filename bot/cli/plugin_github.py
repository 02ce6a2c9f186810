"""The simulated GitHub for the tests of plug-ins, and a Hubbub in this process that serves it."""

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp.test_utils import TestServer

from bot.background.request_scheduler import Sender
from bot.dispatch.dispatcher import Dispatcher
from bot.github.client import GitHub
from bot.identity.tokens import Tokens
from bot.inbox import worker
from bot.inbox.backpressure import Backpressure
from fixtures.github import Installation, Person, Repository, SimulatedGitHub
from webhooks.app import create_app

MANIFEST = Path(__file__).parents[2] / "app.yml"
REPOSITORY, ADMINISTRATOR = "acme/rocket", "octocat"
# Steps after which something must have gone wrong.
ROUNDS = 500
# Waits that are longer than this are not waited for.
LONGEST_WAIT_S = 3600


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
class Workspace:
    """acme/rocket with the App installed, and octocat, who administers it."""

    github: SimulatedGitHub
    repository: Repository
    person: Person
    installation: Installation
    dispatcher: Dispatcher
    sender: Sender
    clock: Clock

    async def settle(self) -> None:
        """Work until inbox and outbox are empty. The clock moves to when the sender may go on."""
        for _ in range(ROUNDS):
            await self.github.wait_for_deliveries()
            if await worker.step(self.dispatcher.store, self.dispatcher.shared):
                continue
            wait = await self.sender.step(self.installation.id)
            if wait is None or wait > LONGEST_WAIT_S:
                return
            self.clock.forward(wait)
        raise AssertionError("the workspace does not come to rest")


@asynccontextmanager
async def open_workspace(dispatcher: Dispatcher, clock: Clock) -> AsyncIterator[Workspace]:
    first = secrets.randbelow(2**40)
    async with SimulatedGitHub(clock, None, first) as github, aiohttp.ClientSession() as session:
        app = create_app(
            dispatcher,
            Tokens(dispatcher.store, dispatcher.shared.keys),
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
        granted = re.findall(r"^  (\w+): (read|write)\b", MANIFEST.read_text(), re.MULTILINE)
        made = Workspace(
            github,
            github.repository(REPOSITORY, private=True),
            github.person(ADMINISTRATOR, permissions={REPOSITORY: "admin"}),
            github.install("acme", [REPOSITORY], permissions=dict(granted)),
            dispatcher,
            Sender(dispatcher.store, client, keys=dispatcher.shared.keys),
            clock,
        )
        await made.settle()
        yield made
        await server.close()
