"""Work in tasks of their own, so that what takes long holds up nothing else."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable

import structlog

log = structlog.get_logger()


class TasksByKey:
    """At most one task for each key. A bug ends one task alone, and is logged."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._running: dict[Hashable, asyncio.Task[None]] = {}

    @property
    def running(self) -> list[asyncio.Task[None]]:
        return list(self._running.values())

    def start(self, key: Hashable, work: Callable[[], Awaitable[object]]) -> None:
        """Start the work, unless work with this key is running."""
        if key not in self._running:
            self._running[key] = asyncio.create_task(self._run(key, work))

    async def _run(self, key: Hashable, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except Exception:  # a bug: the others must go on
            log.exception("work failed", work=self._name, key=key)
        finally:
            del self._running[key]
