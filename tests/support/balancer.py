"""A load balancer on loopback: what nginx's `proxy_next_upstream` does, without nginx.

A request that no server got, because it refused the connection, goes to another server. One whose
answer was lost goes there only if it may be repeated: reads, deliveries, and calls with a key.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

# How long a server gets no requests after it failed, and how often a request is tried.
FAIL_S = 1.0
TRIES = 4
ANSWER_S = 50.0
KEPT = ("Content-Type", "Authorization", "Idempotency-Key")


@dataclass
class Balancer:
    """`servers`: the addresses by name. A test changes them when a server gets another one."""

    session: aiohttp.ClientSession
    servers: dict[str, str] = field(default_factory=dict)
    url: str = ""
    # Requests that another server had to answer.
    repeated: int = 0
    _turn: int = 0
    _failed_at: dict[str, float] = field(default_factory=dict)

    async def forward(self, request: web.Request) -> web.Response:
        body = await request.read()
        for address in self._in_order(asyncio.get_running_loop().time()):
            try:
                return await self._ask(address, request, body)
            except aiohttp.ClientConnectorError:
                self._mark_failed(address)
            except (aiohttp.ClientConnectionError, TimeoutError):
                self._mark_failed(address)
                if not may_repeat(request):
                    break
        return web.Response(status=502)

    async def _ask(self, address: str, request: web.Request, body: bytes) -> web.Response:
        headers = {
            name: value
            for name, value in request.headers.items()
            if name in KEPT or name.startswith("X-")
        }
        async with self.session.request(
            request.method, f"{address}{request.path_qs}", data=body, headers=headers
        ) as answer:
            return web.Response(status=answer.status, body=await answer.read())

    def _mark_failed(self, address: str) -> None:
        self._failed_at[address] = asyncio.get_running_loop().time()
        self.repeated += 1

    def _in_order(self, now: float) -> list[str]:
        """In turn, and first those that did not fail lately."""
        self._turn += 1
        found = list(self.servers.values())
        start = self._turn % len(found)
        turned = found[start:] + found[:start]
        turned.sort(key=lambda each: now - self._failed_at.get(each, -FAIL_S) < FAIL_S)
        return (turned * TRIES)[:TRIES]


def may_repeat(request: web.Request) -> bool:
    name = request.path.rpartition("/")[2]
    reads = request.method == "GET" or name.startswith(("get_", "list_"))
    return reads or "Idempotency-Key" in request.headers or request.path == "/webhooks/github"


@asynccontextmanager
async def balancer() -> AsyncIterator[Balancer]:
    timeout = aiohttp.ClientTimeout(total=ANSWER_S, connect=2)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        made = Balancer(session)
        app = web.Application(client_max_size=2**25)
        app.router.add_route("*", "/{path:.*}", made.forward)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        made.url = "http://{}:{}".format(*runner.addresses[0])
        try:
            yield made
        finally:
            await runner.cleanup()
