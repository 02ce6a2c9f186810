"""The simulated GitHub for the tests of plug-ins, and a Hubbub in this process that serves it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
from aiohttp.test_utils import TestServer

from bot.background.agent_endpoints import courier_of
from bot.background.request_scheduler import Sender
from bot.cli import app_requirements
from bot.dispatch.dispatcher import Dispatcher
from bot.github.client import GitHub
from bot.identity.tokens import Tokens
from bot.inbox import worker
from bot.inbox.backpressure import Backpressure
from bot.protocols.courier import Courier
from bot.times import SECOND
from fixtures.github import Installation, Person, Repository, SimulatedGitHub
from webhooks.app import create_app

REPOSITORY, ADMINISTRATOR = "acme/rocket", "octocat"
PUBLIC_URL = "https://hubbub.example.com"
# Waits that are longer than this are not waited for.
LONGEST_WAIT_S = 3600
# How soon it looks whether there is more to do.
LOOK_S = 0.01
T = TypeVar("T")


class Clock:
    """Microseconds UTC. It goes on when it is told, and by one at each call."""

    def __init__(self) -> None:
        self.at = 1_800_000_000 * SECOND

    def __call__(self) -> int:
        self.at += 1
        return self.at

    def now(self) -> float:
        """Seconds, as the simulated GitHub reads it."""
        return self.at / SECOND

    def forward(self, seconds: float) -> None:
        self.at += int(seconds * SECOND)


@dataclass(frozen=True)
class Workspace:
    """acme/rocket with the App installed, and octocat, who administers it."""

    github: SimulatedGitHub
    repository: Repository
    person: Person
    installation: Installation
    dispatcher: Dispatcher
    sender: Sender
    courier: Courier
    clock: Clock

    async def work(self) -> bool:
        """Do what is due. Return whether there was something to do."""
        await self.github.wait_for_deliveries()
        if await worker.step(self.dispatcher.store, self.dispatcher.shared):
            return True
        await self.courier.drain()
        wait_s = await self.sender.step(self.installation.id)
        if wait_s is None or wait_s > LONGEST_WAIT_S:
            return False
        self.clock.forward(wait_s)
        return True

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """Await something that may wait for GitHub."""
        task = asyncio.ensure_future(work)
        while not task.done():
            await self.work()
            await asyncio.wait([task], timeout=LOOK_S)
        return await task


@asynccontextmanager
async def open_workspace(dispatcher: Dispatcher, clock: Clock) -> AsyncIterator[Workspace]:
    store, shared = dispatcher.store, dispatcher.shared
    async with SimulatedGitHub(clock) as github, aiohttp.ClientSession() as session:
        app = create_app(
            dispatcher,
            Tokens(store, shared.keys),
            pressure=Backpressure(),
            webhook_secrets=[github.app.webhook_secret],
        )
        client = GitHub(
            session,
            api_url=github.url,
            app_id=str(github.app.id),
            private_key=github.app.private_key,
            now=clock,
        )
        async with TestServer(app) as server:
            github.app.webhook_url = str(server.make_url("/webhooks/github"))
            yield Workspace(
                github,
                github.repository(REPOSITORY, private=True),
                github.person(ADMINISTRATOR, permissions={REPOSITORY: "admin"}),
                github.install("acme", [REPOSITORY], permissions=app_requirements.permissions()),
                dispatcher,
                Sender(store, client, keys=shared.keys),
                courier_of(store, shared, PUBLIC_URL),
                clock,
            )
