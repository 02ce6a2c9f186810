"""A small company on the simulated GitHub, and a client that acts as the App."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import jwt
from aiohttp import web

from fixtures.github import Installation, Person, Repository, SimulatedGitHub

# The headers and the body of each delivery that reached the webhook.
ReceivedWebhooks = list[tuple[dict[str, str], bytes]]


@dataclass
class Clock:
    """Seconds UTC. It moves only by `forward`."""

    at: float = 1_800_000_000

    def now(self) -> float:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += seconds


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Any
    data: Any


@dataclass
class Acme:
    """A repository with the App in it, an admin, and a client that acts as the App."""

    github: SimulatedGitHub
    session: aiohttp.ClientSession
    clock: Clock
    web: Repository
    ada: Person
    installation: Installation
    token: str = ""

    def jwt(self, lasts: int = 540, **claims: object) -> str:
        now = int(self.clock.now())
        given = {"iat": now - 60, "exp": now + lasts, "iss": str(self.github.app.id), **claims}
        return jwt.encode(given, self.github.app.private_key, algorithm="RS256")

    async def mint(self, **body: object) -> Answer:
        path = f"/app/installations/{self.installation.id}/access_tokens"
        return await self.as_app("POST", path, body)

    async def as_app(self, method: str, path: str, body: object = None) -> Answer:
        return await self.send(method, path, body, Authorization=f"Bearer {self.jwt()}")

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        if not self.token:
            self.token = (await self.mint()).data["token"]
        given = {"Authorization": f"Bearer {self.token}", **headers}
        return await self.send(method, path, body, **given)

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        url = path if path.startswith("http") else self.github.url + path
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method, url, json=body, headers=named, allow_redirects=False
        ) as response:
            json_sent = response.content_type == "application/json" and response.status != 304
            if "github.raw" in response.content_type:
                return Answer(response.status, response.headers, await response.read())
            data = await response.json() if json_sent else await response.text()
            return Answer(response.status, response.headers, data)

    def refusal(self, answer: Answer) -> tuple[int, str, Any]:
        return answer.status, answer.data["message"], answer.data.get("errors")


@asynccontextmanager
async def open_acme(openapi: Path | None) -> AsyncIterator[Acme]:
    clock = Clock()
    async with (
        SimulatedGitHub(clock=clock, openapi=openapi) as github,
        aiohttp.ClientSession() as session,
    ):
        repository = github.repository("acme/web", private=True)
        ada = github.person("ada", permissions={"acme/web": "admin"})
        installation = github.install("acme", repositories=["acme/web"])
        yield Acme(github, session, clock, repository, ada, installation)


@asynccontextmanager
async def listening(acme: Acme) -> AsyncIterator[ReceivedWebhooks]:
    """A webhook of the App that answers 202 to everything; yields what it received."""
    received: ReceivedWebhooks = []

    async def accept(request: web.Request) -> web.Response:
        received.append((dict(request.headers), await request.read()))
        return web.Response(status=202)

    app = web.Application()
    app.router.add_post("/hook", accept)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    acme.github.app.webhook_url = "http://{}:{}/hook".format(*runner.addresses[0])
    yield received
    await runner.cleanup()
