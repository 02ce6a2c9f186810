"""A hundred tool servers with two thousand tools: start, the list of tools, and a call's overhead.

The overhead is a call through Hubbub over HTTP, against the same call by the MCP library's client
at the server itself.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

import aiohttp
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from rich.console import Console
from rich.table import Table

from bot.identity.keyring import Keys
from store.engine.database import open_store
from store.engine.migrate import upgrade
from store.engine.transaction import Store, Tx
from store.mounts import mounts, tools
from tests.benchmarks.million import seed
from tests.benchmarks.processes import SECRET, databases, program, serve
from tests.support.api_keys import add_api_key
from tests.support.mounts import mount_row, tool_row
from tests.support.tool_server import ToolServer, open_tool_server

SERVERS, TOOLS, CALLS, RUNS = 100, 20, 300, 3
GOAL_START_S, GOAL_OVERHEAD_MS = 3.0, 5.0
Figures = dict[str, tuple[str, str]]


async def make(store: Store) -> tuple[int, str]:
    """An installation and a token of an agent."""
    i = secrets.randbelow(2**40)
    await seed(store, i, 1000)
    keys = Keys(SECRET)
    return i, await store.write(lambda tx: add_api_key(tx, keys, i, "bench", "developer"))


async def mount(store: Store, installation_id: int, url: str) -> None:
    keys = Keys(SECRET)

    async def work(tx: Tx) -> None:
        for n in range(SERVERS):
            row = mount_row(keys, installation_id, f"s{n}", url=url)
            await mounts.add(tx, row)
            await tools.add(tx, [tool_row(row, f"search{each}") for each in range(TOOLS)])

    await store.write(work)


class Hubbub:
    """A server in a process of its own."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self.http = http
        self.url = url
        self.headers = {"Authorization": f"Bearer {token}"}

    async def post(self, path: str, body: Any, **headers: str) -> Any:
        given = self.headers | headers
        async with self.http.post(f"{self.url}{path}", json=body, headers=given) as answer:
            text = await answer.text()
            assert answer.status == 200, text
            return json.loads(text)

    async def call(self, operation: str, **arguments: Any) -> Any:
        return await self.post(f"/api/v1/{operation}", arguments)

    async def tools_list(self) -> Any:
        asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
        both = "application/json, text/event-stream"
        found = await self.post(
            "/mcp", asked, Accept=both, **{"MCP-Protocol-Version": "2025-06-18"}
        )
        return found["result"]["tools"]


async def started(database: str, origin: str, token: str) -> tuple[float, Any]:
    """The least seconds until the first answer, and the list of tools."""
    took, listed = list[float](), None
    for _ in range(RUNS):
        began = time.perf_counter()
        given = serve(database) | {"HUBBUB_TRUSTED_ORIGINS": origin}
        with program("bot", "serve", **given) as (host, port):
            async with aiohttp.ClientSession() as http:
                hubbub = Hubbub(http, f"http://{host}:{port}", token)
                await hubbub.call("list_tasks")
                took.append(time.perf_counter() - began)
                listed = await hubbub.tools_list()
    return min(took), listed


async def overhead(database: str, server: ToolServer, token: str) -> tuple[float, float]:
    """Median milliseconds of a call: at the server itself, and through Hubbub."""
    given = serve(database) | {"HUBBUB_TRUSTED_ORIGINS": server.origin}
    with program("bot", "serve", **given) as (host, port):
        async with (
            aiohttp.ClientSession() as http,
            httpx2.AsyncClient(trust_env=False) as direct,
            Client(streamable_http_client(server.url, http_client=direct)) as client,
        ):
            hubbub = Hubbub(http, f"http://{host}:{port}", token)
            await hubbub.call("register_agent", agent_id="bench", name="Bench")
            await client.list_tools()  # or it warns at each call that it does not know the tool

            async def through() -> None:
                await hubbub.call("call_tool", tool="s7__search3", arguments={"words": "fire"})

            async def alone() -> None:
                await client.call_tool("search3", {"words": "fire"})

            return await in_turns(alone, through)


async def in_turns(
    one: Callable[[], Awaitable[None]], other: Callable[[], Awaitable[None]]
) -> tuple[float, float]:
    times: tuple[list[float], list[float]] = ([], [])
    for n in range(CALLS):
        for call, spent in zip((one, other), times, strict=True):
            began = time.perf_counter()
            await call()
            if n >= CALLS // 10:
                spent.append((time.perf_counter() - began) * 1000)
    return median(times[0]), median(times[1])


async def measure(database: str) -> Figures:
    upgrade(database)
    store = await open_store(database)
    i, token = await make(store)
    async with open_tool_server() as server:
        without, before = await started(database, server.origin, token)
        await mount(store, i, server.url)
        took, after = await started(database, server.origin, token)
        alone, through = await overhead(database, server, token)
    await store.close()
    return {
        "start without servers, s": (f"{without:.2f}", ""),
        f"start with {SERVERS} servers and {SERVERS * TOOLS:,} tools, s": (
            f"{took:.2f}",
            f"{GOAL_START_S:g}",
        ),
        "tools in tools/list, without and with": (f"{len(before)}, {len(after)}", "equal"),
        "bytes of tools/list, without and with": (
            f"{len(json.dumps(before)):,}, {len(json.dumps(after)):,}",
            "equal",
        ),
        "a call at the server, ms": (f"{alone:.1f}", ""),
        "the same through Hubbub, ms": (f"{through:.1f}", ""),
        "overhead, ms": (f"{through - alone:.1f}", f"{GOAL_OVERHEAD_MS:g}"),
    }


def main() -> None:
    table = Table(title=f"{SERVERS} tool servers")
    for name in ("engine", "figure", "measured", "at most"):
        table.add_column(name)
    with databases() as made:
        for engine, database in made.items():
            for figure, (value, goal) in asyncio.run(measure(database)).items():
                table.add_row(engine, figure, value, goal)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
