"""How soon one event wakes one of a thousand waiters: by REST, by MCP, by WebSocket.

From before the call that causes it to when the waiter has its answer, so with the call itself; in
one process, and from one process to another.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import aiohttp
from rich.console import Console
from rich.table import Table

from bot.identity.keyring import Keys
from store.agents import agents
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.transaction import Tx
from tests.benchmarks.processes import SECRET, databases, program, serve
from tests.support.api_keys import add_api_key

WAITERS = 1000
# So that no one sends more messages in a minute than one may.
SENDERS = 5
WAKES = 100
EVERY_S = 0.1
SEED = 5
INSTALLATION = 42
AGENT = {
    "installation_id": INSTALLATION,
    "name": "x",
    "system_name": "",
    "role": "developer",
    "capabilities": [],
    "parent_id": None,
    "last_active_at": 0,
}
# Not all come again at once, as they would not.
WAIT_S = (20.0, 50.0)
SETTLE_S = 5
SOON_S = 30
MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
MCP = {
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": MODERN,
    "Mcp-Method": "tools/call",
    "Mcp-Name": "wait_for_events",
}


@dataclass
class Waiter:
    """One agent that waits all the time. `woken` by message."""

    client: aiohttp.ClientSession
    url: str
    token: str
    woken: dict[str, float] = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def note(self, events: Sequence[Any]) -> None:
        now = time.perf_counter()
        for each in events:
            self.woken.setdefault(each["subject"], now)


Ask: TypeAlias = Callable[[Waiter, dict[str, Any]], Awaitable[Any]]


async def by_rest(waiter: Waiter, given: dict[str, Any]) -> Any:
    url = f"{waiter.url}/api/v1/wait_for_events"
    async with waiter.client.post(url, json=given, headers=waiter.headers) as response:
        response.raise_for_status()
        return await response.json()


async def by_mcp(waiter: Waiter, given: dict[str, Any]) -> Any:
    params = {"name": "wait_for_events", "arguments": given, "_meta": META}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    async with waiter.client.post(
        f"{waiter.url}/mcp", json=body, headers=waiter.headers | MCP
    ) as response:
        response.raise_for_status()
        text = await response.text()
    answer = json.loads(text.partition("data: ")[2].partition("\n")[0] or text)
    return answer["result"]["structuredContent"]


async def polling(waiter: Waiter, ask: Ask) -> None:
    given: dict[str, Any] = {"topics": ["messages"]}
    pause = random.Random(waiter.token)  # noqa: S311 - spreads, hides nothing
    while True:
        answer = await ask(waiter, given)
        waiter.note(answer["events"])
        given |= {"cursor": answer["cursor"], "wait_s": pause.uniform(*WAIT_S)}
        waiter.ready.set()


async def listening(waiter: Waiter) -> None:
    async with waiter.client.ws_connect(f"{waiter.url}/ws", headers=waiter.headers) as socket:
        await socket.send_json({"type": "subscribe", "topics": ["messages"]})
        await socket.receive_json()
        waiter.ready.set()
        async for frame in socket:
            waiter.note([frame.json()])


WAYS: dict[str, Callable[[Waiter], Awaitable[None]]] = {
    "REST": lambda waiter: polling(waiter, by_rest),
    "MCP": lambda waiter: polling(waiter, by_mcp),
    "WebSocket": listening,
}


@asynccontextmanager
async def waiting(waiters: Sequence[Waiter], way: str) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(WAYS[way](each)) for each in waiters]
    await asyncio.gather(*(each.ready.wait() for each in waiters))
    # The polls that wait are on their way.
    await asyncio.sleep(SETTLE_S)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        if failed := [each for each in ended if isinstance(each, Exception)]:
            raise RuntimeError(f"{len(failed)} waiters failed: {failed[0]!r}")


async def wakes(waiters: Sequence[Waiter], senders: Sequence[Waiter]) -> list[float]:
    """Milliseconds, one for each of the messages."""
    chosen, took = random.Random(SEED), []  # noqa: S311 - which one is woken
    for n in range(WAKES):
        which = chosen.randrange(len(waiters))
        sender = senders[n % len(senders)]
        body = {"to": f"waiter-{which}", "body": "x"}
        began = time.perf_counter()
        async with sender.client.post(
            f"{sender.url}/api/v1/send_message", json=body, headers=sender.headers
        ) as response:
            response.raise_for_status()
            message_id = (await response.json())["message_id"]
        async with asyncio.timeout(SOON_S):
            while message_id not in waiters[which].woken:  # noqa: ASYNC110 - of another task
                await asyncio.sleep(0.0005)
        took.append((waiters[which].woken[message_id] - began) * 1000)
        await asyncio.sleep(EVERY_S)
    return sorted(took)


async def measure(tokens: Sequence[str], there: str, here: str, way: str) -> list[float]:
    """Waiters at one address, senders at the other."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as client:
        waiters = [Waiter(client, there, each) for each in tokens[:WAITERS]]
        senders = [Waiter(client, here, each) for each in tokens[WAITERS:]]
        async with waiting(waiters, way):
            return await wakes(waiters, senders)


async def add_agents(url: str) -> list[str]:
    """The tokens of the waiters, then of the senders; all in one transaction."""
    names = [f"waiter-{n}" for n in range(WAITERS)] + [f"sender-{n}" for n in range(SENDERS)]
    keys = Keys(SECRET)

    async def work(tx: Tx) -> list[str]:
        now = await tx.now()
        for name in names:
            await agents.lock_or_add(tx, AGENT | {"id": name, "registered_at": now})
        await agents.change(tx, INSTALLATION, names, left_at=None)
        return [await add_api_key(tx, keys, INSTALLATION, name, "developer") for name in names]

    store = await open_store(url)
    tokens = await store.write(work)
    await store.close()
    return tokens


def main() -> None:
    table = Table(title=f"One event wakes one of {WAITERS} waiters, milliseconds ({WAKES} wakes)")
    for name in ("", "waiting by", "processes", "p50", "p99", "worst", "at most"):
        table.add_column(name, justify="left" if name in ("", "waiting by") else "right")
    with databases() as found:
        for engine, url in found.items():
            upgrade(url)
            tokens = asyncio.run(add_agents(url))
            with ExitStack() as stack:
                servers = [
                    "http://{}:{}".format(
                        *stack.enter_context(program("bot", "serve", **serve(url)))
                    )
                    for _ in range(2)
                ]
                for processes, goal in ((1, 250), (2, 500)):
                    for way in WAYS:
                        took = asyncio.run(measure(tokens, servers[0], servers[processes - 1], way))
                        row = (took[len(took) // 2], took[-1 - len(took) // 100], took[-1])
                        shown = [engine, way, str(processes), *(f"{ms:.0f}" for ms in row)]
                        Console(stderr=True).print(*shown)
                        table.add_row(*shown, str(goal))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
