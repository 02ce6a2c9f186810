"""What this process uses: CPU, memory, files and connections to the database.

With `--processes` the library adds these up, or takes the highest, over the processes that live.
"""

import asyncio
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge

from store.engine.transaction import PoolUse

EVERY_S = 5.0
PROC = Path("/proc/self")


@cache
def _version() -> str:
    """It stands in a file of the installed package, which takes a millisecond to parse."""
    return metadata.version("hubbub")


class ProcessMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._cpu = Counter(
            "hubbub_cpu_seconds_total", "Processor time that was used.", registry=registry
        )
        self._used_s = 0.0
        self._memory = _sum("hubbub_memory_bytes", "Resident memory.", registry)
        self._files = _highest("hubbub_open_files", "Open files and connections.", registry)
        self._most_files = _highest("hubbub_open_files_limit", "The limit on them.", registry)
        self._lag = _highest(
            "hubbub_event_loop_lag_seconds", "How late the event loop ran a timer.", registry
        )
        self._connections = _sum(
            "hubbub_database_connections", "Connections to the database.", registry, "state"
        )
        self._most_connections = _sum(
            "hubbub_database_connections_limit", "The limit on them.", registry
        )
        info = _highest("hubbub_info", "The version that runs.", registry, "version")
        info.labels(_version()).set(1)

    def sample(self, pool: PoolUse) -> None:
        used_s = time.process_time()
        self._cpu.inc(max(used_s - self._used_s, 0))
        self._used_s = used_s
        self._memory.set(_resident_bytes())
        self._files.set(_open_files())
        self._most_files.set(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._connections.labels("used").set(pool.used)
        self._connections.labels("idle").set(pool.idle)
        self._most_connections.set(pool.most)

    async def keep_sampling(self, pool: Callable[[], PoolUse]) -> None:
        """Sample until cancelled. Who asks another process gets figures of this age."""
        loop = asyncio.get_running_loop()
        while True:
            self.sample(pool())
            due = loop.time() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self._lag.set(max(loop.time() - due, 0.0))


def add_to(app: web.Application, metrics: ProcessMetrics, pool: Callable[[], PoolUse]) -> None:
    """Sample while the application runs."""

    async def life(_: web.Application) -> AsyncIterator[None]:
        sampling = asyncio.create_task(metrics.keep_sampling(pool))
        yield
        sampling.cancel()
        with suppress(asyncio.CancelledError):
            await sampling

    app.cleanup_ctx.append(life)


def _sum(name: str, words: str, registry: CollectorRegistry, *labels: str) -> Gauge:
    return Gauge(name, words, labels, registry=registry, multiprocess_mode="livesum")


def _highest(name: str, words: str, registry: CollectorRegistry, *labels: str) -> Gauge:
    return Gauge(name, words, labels, registry=registry, multiprocess_mode="livemax")


def _resident_bytes() -> int:
    with suppress(OSError):
        return int((PROC / "statm").read_text().split()[1]) * resource.getpagesize()
    # Without /proc, the highest so far: bytes on macOS, else kilobytes.
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024


def _open_files() -> int:
    for folder in (PROC / "fd", Path("/dev/fd")):
        with suppress(OSError):
            return sum(1 for _ in folder.iterdir())
    return 0
