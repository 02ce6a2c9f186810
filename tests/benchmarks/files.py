"""Whether an upload and a download of 50 MB hold up other calls: get_task meanwhile, and at rest.

A server in a process of its own. get_task is called by REST, one call after the other.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from tests.benchmarks.calls import fill
from tests.benchmarks.processes import databases, program, serve

MB = 1_000_000
SIZE = 50 * MB
TASKS = 1000
AT_REST_S = 8.0
PAUSE_S = 0.02
# More than this above the time at rest is a stall.
GOAL_MS = 100


class Client:
    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self.http, self.url = http, url
        self.headers = {"Authorization": f"Bearer {token}"}

    async def call(self, operation: str, **given: Any) -> dict[str, Any]:
        where = f"{self.url}/api/v1/{operation}"
        async with self.http.post(where, json=given, headers=self.headers) as response:
            answer = await response.json()
            if response.status != 200:
                raise RuntimeError(str(answer))
            return dict(answer)

    async def times(self, work: Awaitable[None]) -> list[float]:
        """The milliseconds of each call of get_task until the work is done."""
        task, found = asyncio.ensure_future(work), list[float]()
        while not task.done():
            began = time.perf_counter()
            await self.call("get_task", task="acme/r0#10")
            found.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(PAUSE_S)
        await task
        return found

    def path(self, url: str) -> str:
        return self.url + url[url.index("/files/") :]


def p99(found: list[float]) -> float:
    return sorted(found)[int(len(found) * 0.99)]


async def measure(url: str, token: str, report: Callable[[str, list[float], float], None]) -> None:
    content = os.urandom(SIZE)
    async with aiohttp.ClientSession() as http:
        client = Client(http, url, token)
        await client.call("get_task", task="acme/r0#10")
        report("at rest", await client.times(asyncio.sleep(AT_REST_S)), AT_REST_S)
        begun = await client.call("attach_file", name="video.bin", size=SIZE)
        stored: dict[str, Any] = {}

        async def upload() -> None:
            async with http.put(client.path(begun["upload"]["url"]), data=content) as response:
                stored.update(await response.json())

        began = time.perf_counter()
        report("upload", await client.times(upload()), time.perf_counter() - began)
        found = await client.call("get_attachment", attachment_id=stored["file"]["id"])

        async def download() -> None:
            size = 0
            async with http.get(client.path(found["url"])) as response:
                async for part in response.content.iter_any():
                    size += len(part)
            if size != SIZE:
                raise RuntimeError(f"{size} bytes came")

        began = time.perf_counter()
        report("download", await client.times(download()), time.perf_counter() - began)


def main() -> None:
    table = Table("database", "meanwhile", "calls", "p50 ms", "p99 ms", "longest ms", "MB/s")
    with databases() as found:
        for name, url in found.items():
            token = asyncio.run(fill(url, 1, TASKS)).tokens[0]

            def report(what: str, times: list[float], seconds: float, name: str = name) -> None:
                rate = "" if what == "at rest" else f"{SIZE / MB / seconds:.0f}"
                middle = sorted(times)[len(times) // 2]
                figures = (f"{middle:.1f}", f"{p99(times):.1f}", f"{max(times):.1f}")
                table.add_row(name, what, str(len(times)), *figures, rate)

            with program("bot", "serve", **serve(url)) as (host, port):
                asyncio.run(measure(f"http://{host}:{port}", token, report))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
