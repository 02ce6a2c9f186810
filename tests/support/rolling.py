"""A rolling update: two servers behind a balancer, replaced in turn under steady calls."""

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import aiohttp

from tests.support.balancer import Balancer, balancer
from tests.support.server_process import Serving, rows, serving, signed_headers

INSTALLATION = 42
# An agent for each client, because a mailbox holds so many messages and no more.
CLIENTS = 8
# Between two rounds of calls of one client.
PAUSE_S = 0.02
# A call without an answer within this time was not answered.
PATIENCE_S = 60.0
How: TypeAlias = Literal["stop", "kill"]
NAMES = ("one", "two")
# The clients call as fast as they can, with the token of one agent.
QUOTAS = ", ".join(
    f"{name}=1000000000" for name in ("calls_a_minute", "messages_a_minute", "messages_an_hour")
)


@dataclass
class Found:
    """What the clients saw. `doubled`: messages stored more than once, or not at all."""

    calls: int = 0
    answered: int = 0
    repeated: int = 0
    longest_s: float = 0.0
    failures: list[str] = field(default_factory=list)
    sent: set[str] = field(default_factory=set)
    delivered: set[str] = field(default_factory=set)
    doubled: int = 0
    lost: int = 0

    _counted: asyncio.Event = field(default_factory=asyncio.Event)

    async def more(self, calls: int) -> None:
        """Wait until so many more calls have begun."""
        target = self.calls + calls
        while self.calls < target:
            self._counted.clear()
            await self._counted.wait()

    @property
    def share(self) -> float:
        return self.answered / self.calls


@dataclass
class Update:
    folder: Path
    database_url: str
    between: Balancer
    _stacks: dict[str, AsyncExitStack] = field(default_factory=dict)
    _servers: dict[str, Serving] = field(default_factory=dict)

    async def start(self, name: str) -> Serving:
        self._stacks[name] = stack = AsyncExitStack()
        made = serving(self.folder, self.database_url, HUBBUB_QUOTAS=QUOTAS)
        self._servers[name] = found = await stack.enter_async_context(made)
        self.between.servers[name] = found.url
        return found

    async def replace(self, name: str, how: How) -> None:
        """Let a server end, and start another one in its place."""
        server = self._servers[name]
        if how == "stop":
            assert await server.stop() == 0
        else:
            server.kill()
        await self._stacks[name].aclose()
        await self.start(name)

    async def close(self) -> None:
        for stack in self._stacks.values():
            await stack.aclose()


async def play(
    folder: Path,
    database_url: str,
    steps: Sequence[tuple[str, How]],
    calls_between: int,
    clients: int = CLIENTS,
    pause_s: float = PAUSE_S,
) -> Found:
    """Do these steps one after another, and let the clients call all the while."""
    found, over = Found(), asyncio.Event()
    async with balancer() as between:
        update = Update(folder, database_url, between)
        try:
            first = await update.start(NAMES[0])
            await update.start(NAMES[1])
            agents = [f"agent-{n}" for n in range(clients)]
            tokens = await first.tokens(INSTALLATION, agents)
            running = [
                asyncio.create_task(_call(Client(between.url, *each, pause_s), found, over))
                for each in zip(agents, tokens, strict=True)
            ]
            for name, how in steps:
                await found.more(calls_between)
                await update.replace(name, how)
            await found.more(calls_between)
            over.set()
            await asyncio.gather(*running)
        finally:
            await update.close()
        found.repeated = between.repeated
    await _compare(database_url, found)
    return found


@dataclass(frozen=True)
class Client:
    url: str
    agent: str
    token: str
    pause_s: float


async def _call(client: Client, found: Found, over: asyncio.Event) -> None:
    """One client: a read, a message with a key, and a delivery, in turn."""
    api, headers = f"{client.url}/api/v1", {"Authorization": f"Bearer {client.token}"}
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        me = {"agent_id": client.agent, "name": client.agent}
        await _ask(session, found, f"{api}/register_agent", me, headers)
        while not over.is_set():
            await _ask(session, found, f"{api}/list_agents", {}, headers)
            key = secrets.token_hex(8)
            message = {"to": client.agent, "body": key}
            keyed = headers | {"Idempotency-Key": key}
            if await _ask(session, found, f"{api}/send_message", message, keyed):
                found.sent.add(key)
            await _deliver(session, found, client.url)
            await asyncio.sleep(client.pause_s)


async def _deliver(session: aiohttp.ClientSession, found: Found, url: str) -> None:
    guid, body = secrets.token_hex(16), b'{"zen": "x"}'
    headers = signed_headers("ping", body, guid)
    if await _ask(session, found, f"{url}/webhooks/github", body, headers):
        found.delivered.add(guid)


async def _ask(
    session: aiohttp.ClientSession, found: Found, url: str, body: Any, headers: dict[str, str]
) -> bool:
    """Whether it was answered as it should be."""
    given = {"data": body} if isinstance(body, bytes) else {"json": body}
    loop = asyncio.get_running_loop()
    began, found.calls = loop.time(), found.calls + 1
    found._counted.set()
    try:
        async with session.post(url, headers=headers, **given) as answer:
            text, status = await answer.text(), answer.status
    except (aiohttp.ClientError, TimeoutError) as exc:
        text, status = repr(exc), 0
    found.longest_s = max(found.longest_s, loop.time() - began)
    if status in (200, 202):
        found.answered += 1
        return True
    found.failures.append(f"{url.rpartition('/')[2]} {status} {text[:200]}")
    return False


async def _compare(database_url: str, found: Found) -> None:
    """What was acknowledged is stored, and once."""
    messages = await rows(
        database_url,
        "SELECT body, COUNT(*) AS n FROM messages WHERE installation_id = :i GROUP BY body",
        i=INSTALLATION,
    )
    counts = {row["body"]: row["n"] for row in messages}
    guids = {row["guid"] for row in await rows(database_url, "SELECT guid FROM deliveries")}
    found.doubled = sum(n > 1 for n in counts.values())
    found.lost = len(found.sent - counts.keys()) + len(found.delivered - guids)
