"""The page at 10,000 tasks: how long a page takes, and how soon a change is on the screen.

A server in a process of its own; a hundred browsers are connected, three of them Chromium and the
others streams of updates alone. Who looks is the operator, who sees everything.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from bot.identity.keyring import Keys
from bot.identity.people import operator_links
from store.engine.database import open_store
from store.engine.transaction import Tx
from tests.benchmarks.calls import Workspace, fill
from tests.benchmarks.processes import SECRET, databases, program, serve
from tests.support.browser import Window, open_browser, open_window
from webhooks.login import SESSION
from webhooks.page.open_streams import MOST_OF_SESSION
from webhooks.page.routes import PAGES

TASKS = 10_000
AGENTS = 5
LOADS, CHANGES = 20, 10
BROWSERS, REAL = 100, 3
GOAL_MS = 1000
# Between two changes. A browser gets one message a second, and the end of a change is one too.
PAUSE_S = 2.5


@dataclass
class Site:
    url: str
    account: str
    cookies: list[str]
    token: str
    client: aiohttp.ClientSession

    async def get(self, path: str, cookie: int = 0) -> str:
        address = f"{self.url}/accounts/{self.account}{path}"
        async with self.client.get(address, headers=self.header(cookie)) as response:
            assert response.status == 200, (path, response.status)
            return await response.text()

    def header(self, cookie: int) -> dict[str, str]:
        return {"Cookie": f"{SESSION}={self.cookies[cookie]}", "Accept": "text/html"}

    async def call(self, operation: str, **given: Any) -> dict[str, Any]:
        header = {"Authorization": f"Bearer {self.token}"}
        address = f"{self.url}/api/v1/{operation}"
        async with self.client.post(address, json=given, headers=header) as response:
            found: dict[str, Any] = await response.json()
            assert response.status == 200, found
            return found


async def log_in(url: str, where: int) -> list[str]:
    """Cookies of the operator, in as many browsers as a login of each may have."""
    store, keys = await open_store(url), Keys(SECRET)

    async def work(tx: Tx) -> str:
        cookie = await operator_links.use(tx, keys, await operator_links.add(tx, keys, where))
        assert cookie is not None
        return cookie

    cookies = [await store.write(work) for _ in range(BROWSERS // MOST_OF_SESSION + 2)]
    await store.close()
    return cookies


async def timed(what: Awaitable[object]) -> float:
    """How many milliseconds it took."""
    start = time.perf_counter()
    await what
    return 1000 * (time.perf_counter() - start)


async def changes(site: Site, window: Window) -> list[float]:
    """From before an agent claims a task to when its row is on the screen."""
    found = []
    for _ in range(CHANGES):
        start = time.perf_counter()
        claimed = await site.call("claim_task")
        name = claimed["task"]["task"]
        await window.page.get_by_role("link", name=name, exact=True).first.wait_for()
        found.append(1000 * (time.perf_counter() - start))
        await site.call("release_task", task=name, fence=claimed["fence"])
        await asyncio.sleep(PAUSE_S)
    return found


@asynccontextmanager
async def stream(site: Site, cookie: int) -> AsyncIterator[aiohttp.ClientResponse]:
    address = f"{site.url}/accounts/{site.account}/updates"
    async with site.client.get(address, headers=site.header(cookie)) as response:
        assert response.status == 200
        yield response


async def next_message(response: aiohttp.ClientResponse) -> None:
    async for line in response.content:
        if line.startswith(b"data:"):
            return


async def measure(table: Table, engine: str, site: Site) -> None:
    def add(what: str, took: list[float]) -> None:
        p95 = quantiles(took, n=20)[18]
        table.add_row(engine, what, f"{median(took):.0f}", f"{p95:.0f}", f"{max(took):.0f}")

    for each in PAGES:
        if each.in_menu:
            path = f"/{each.path}".rstrip("/")
            await site.get(path)
            add(f"page {each.title}", [await timed(site.get(path)) for _ in range(LOADS)])
    async with open_browser() as browser, AsyncExitStack() as stack:
        windows = [
            await stack.enter_async_context(
                open_window(browser, site.url, {SESSION: site.cookies[0]})
            )
            for _ in range(REAL)
        ]
        here = f"/accounts/{site.account}/tasks?state=in_progress&holder=bench-0"
        add("Tasks in Chromium", [await timed(windows[0].open(here)) for _ in range(LOADS)])
        add("change on the screen", await changes(site, windows[0]))
        for window in windows[1:]:
            await window.open(here)
        streams = [
            await stack.enter_async_context(stream(site, 1 + n // MOST_OF_SESSION))
            for n in range(BROWSERS - REAL)
        ]
        to_all = await timed(asyncio.gather(site.call("claim_task"), *map(next_message, streams)))
        await asyncio.sleep(PAUSE_S)
        table.add_row(engine, f"message to {BROWSERS - REAL} streams", "", "", f"{to_all:.0f}")
        add(f"the same with {BROWSERS} browsers", await changes(site, windows[0]))


async def run(
    table: Table, engine: str, url: str, workspace: Workspace, at: tuple[str, int]
) -> None:
    cookies = await log_in(url, workspace.installation_id)
    limit = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), connector=limit
    ) as client:
        address = f"http://{at[0]}:{at[1]}"
        site = Site(address, "", cookies, workspace.tokens[0], client)
        async with client.get(
            f"{address}/", headers=site.header(0), allow_redirects=False
        ) as response:
            site.account = response.headers["Location"].rpartition("/")[2]
        await measure(table, engine, site)


def main() -> None:
    table = Table(title=f"The page at {TASKS:,} tasks: ms (goal {GOAL_MS})")
    for name in ("engine", "what", "p50", "p95", "most"):
        table.add_column(name, justify="right")
    with databases() as urls:
        for engine, url in urls.items():
            workspace = asyncio.run(fill(url, AGENTS, TASKS))
            with program("bot", "serve", **serve(url)) as hubbub:
                asyncio.run(run(table, engine, url, workspace, hubbub))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
