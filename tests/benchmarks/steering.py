"""How soon a person's comment reaches a running agent, by each way that it can wait or be told.

From before the comment on the simulated GitHub to when the agent's client has it, so with the
delivery, the inbox and the answer. A server in a process of its own, with GitHub at hand.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import aiohttp
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from rich.console import Console
from rich.table import Table

from fixtures.github import Issue, Person, SimulatedGitHub
from store.engine.migrate import upgrade
from tests.benchmarks.processes import databases
from tests.support.channel_session import channel_session
from tests.support.server_process import Serving, serving, wait_until_processed

SAMPLES = 30
# No push comes for so long after those of before.
QUIET_S = 3.0
GOAL_MS = 2000
# A call of the agent that has begun to wait, before the comment.
SETTLE_S = 0.05
# Between two comments, so that nothing of the last one is under way.
PAUSE_S = 0.3
WAIT_S = 20
# An agent at work calls a tool so often.
EVERY_S = 0.1
AGENT = "scout"
INBOX = "hubbub://inbox"


@dataclass
class Scene:
    """A task of the agent, and the person who comments on it."""

    server: Serving
    http: aiohttp.ClientSession
    person: Person
    issue: Issue
    token: str
    folder: Path

    @property
    def task(self) -> str:
        return f"acme/rocket#{self.issue.number}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def call(self, operation: str, **arguments: Any) -> Any:
        url = f"{self.server.url}/api/v1/{operation}"
        async with self.http.post(url, json=arguments, headers=self.headers) as response:
            response.raise_for_status()
            return await response.json()

    async def read_messages(self) -> None:
        """Leave no message unread, so that the next one is the next."""
        while found := (await self.call("get_messages"))["messages"]:
            await self.call("mark_message_read", message_id=[each["id"] for each in found])


# Waits until the comment has arrived.
Arrival: TypeAlias = Callable[[], Awaitable[None]]
# Of one comment: entered before it, it yields what to await after it.
Way: TypeAlias = Callable[[Scene], AbstractAsyncContextManager[Arrival]]


@asynccontextmanager
async def wait_for_events(scene: Scene) -> AsyncIterator[Arrival]:
    start = await scene.call("wait_for_events", topics=[scene.task])
    waiting = asyncio.ensure_future(
        scene.call("wait_for_events", topics=[scene.task], cursor=start["cursor"], wait_s=WAIT_S)
    )
    await asyncio.sleep(SETTLE_S)

    async def arrive() -> None:
        kinds = [each["kind"] for each in (await waiting)["events"]]
        assert "task.commented" in kinds, kinds

    yield arrive


@asynccontextmanager
async def get_messages(scene: Scene) -> AsyncIterator[Arrival]:
    waiting = asyncio.ensure_future(scene.call("get_messages", wait_s=WAIT_S))
    await asyncio.sleep(SETTLE_S)

    async def arrive() -> None:
        assert (await waiting)["messages"]

    yield arrive
    await scene.read_messages()


@asynccontextmanager
async def next_result(scene: Scene) -> AsyncIterator[Arrival]:
    async def arrive() -> None:
        while True:
            found = await scene.call("list_agents", limit=1)
            if any(each["kind"] == "comment" for each in found["notices"]):
                return
            await asyncio.sleep(EVERY_S)

    yield arrive


@asynccontextmanager
async def subscription(scene: Scene) -> AsyncIterator[Arrival]:
    async with (
        httpx2.AsyncClient(headers=scene.headers, timeout=60) as http,
        Client(
            streamable_http_client(f"{scene.server.url}/mcp", http_client=http), mode="auto"
        ) as client,
        client.listen(resource_subscriptions=[INBOX]) as updates,
    ):

        async def arrive() -> None:
            await anext(aiter(updates))

        yield arrive
    await scene.read_messages()


@asynccontextmanager
async def websocket(scene: Scene) -> AsyncIterator[Arrival]:
    async with scene.http.ws_connect(f"{scene.server.url}/ws", headers=scene.headers) as socket:
        await socket.send_json({"type": "subscribe", "topics": [scene.task]})
        await socket.receive_json()

        async def arrive() -> None:
            while (await socket.receive_json(timeout=WAIT_S)).get("kind") != "task.commented":
                pass

        yield arrive


# The way, and whether the person asks by `/ask` or only comments.
WAYS: dict[str, tuple[Way, bool]] = {
    "wait_for_events": (wait_for_events, False),
    "get_messages, wait_s": (get_messages, True),
    "a notice in the next result": (next_result, False),
    "a subscription of hubbub://inbox": (subscription, True),
    "WebSocket": (websocket, False),
}


async def sample(scene: Scene, way: Way, text: str) -> float:
    """Milliseconds."""
    async with way(scene) as arrive:
        began = time.perf_counter()
        scene.person.comment(scene.issue, text)
        async with asyncio.timeout(WAIT_S):
            await arrive()
        took = (time.perf_counter() - began) * 1000
    await asyncio.sleep(PAUSE_S)
    return took


async def measure(scene: Scene, way: Way, *, asks: bool) -> list[float]:
    """One comment more than counts: the first one loads what a server loads once."""
    command = "/ask " if asks else ""
    took = [await sample(scene, way, f"{command}Is it done? {n}") for n in range(SAMPLES + 1)]
    return sorted(took[1:])


async def by_channel(scene: Scene) -> list[float]:
    """Pushes of `hubbub mcp --channel`, in one session."""
    given = {"HUBBUB_URL": scene.server.url, "HUBBUB_TOKEN": scene.token}
    async with channel_session(given, scene.folder) as session:
        await session.call("list_agents")
        # A new session gets what other ways left unseen.
        with suppress(TimeoutError):
            while True:
                await asyncio.wait_for(session.push(), QUIET_S)

        @asynccontextmanager
        async def channel(_: Scene) -> AsyncIterator[Arrival]:
            async def arrive() -> None:
                while (await session.push())["meta"]["kind"] != "comment":
                    pass

            yield arrive

        return await measure(scene, channel, asks=False)


async def scene_of(url: str) -> list[tuple[str, list[float]]]:
    with tempfile.TemporaryDirectory() as folder:
        async with SimulatedGitHub() as github, aiohttp.ClientSession() as http:
            repository = github.repository("acme/rocket")
            person = github.person("octocat", permissions={"acme/rocket": "admin"})
            async with serving(Path(folder), url, github) as server:
                github.app.webhook_url = f"{server.url}/webhooks/github"
                installation = github.install("acme", repositories=["acme/rocket"])
                issue = person.open_issue(repository, "Count down", labels=["agent-task"])
                await github.wait_for_deliveries()
                await wait_until_processed(url)
                token = await server.token(installation.id, AGENT)
                scene = Scene(server, http, person, issue, token, Path(folder))
                await scene.call("register_agent", agent_id=AGENT, name=AGENT)
                await scene.call("claim_task", task=scene.task, lease_s=86_400)
                return await all_ways(scene)


async def all_ways(scene: Scene) -> list[tuple[str, list[float]]]:
    found = []
    for name, (way, asks) in WAYS.items():
        found.append((name, await measure(scene, way, asks=asks)))
        # Notices that other ways left behind.
        await scene.call("get_messages", state="notices")
    found.append(("hubbub mcp --channel", await by_channel(scene)))
    return found


def row(took: Sequence[float]) -> list[str]:
    return [f"{median(took):.0f}", f"{took[-1]:.0f}", str(GOAL_MS)]


def main() -> None:
    table = Table(title=f"From a person's comment to the agent, milliseconds ({SAMPLES} comments)")
    for name in ("", "way", "p50", "worst", "at most"):
        table.add_column(name, justify="left" if name in ("", "way") else "right")
    with databases() as urls:
        for engine, url in urls.items():
            upgrade(url)
            for name, took in asyncio.run(scene_of(url)):
                Console(stderr=True).print(engine, name, *row(took))
                table.add_row(engine, name, *row(took))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
