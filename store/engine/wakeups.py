"""Wakes the tasks of this process that wait for a change.

`store.engine.remote_changes` finds the changes of other processes.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

INSTALLATION = "installation "


def topic(installation_id: int) -> str:
    """The topic for events of an installation."""
    return f"{INSTALLATION}{installation_id}"


def installations(topics: Iterable[str]) -> set[int]:
    """The installations that these topics belong to."""
    return {int(t.removeprefix(INSTALLATION)) for t in topics if t.startswith(INSTALLATION)}


class Bell:
    def __init__(self) -> None:
        self._count: dict[str, int] = defaultdict(int)
        self._waiting: dict[str, set[asyncio.Future[None]]] = defaultdict(set)

    def ticket(self, topic: str) -> int:
        """Take a ticket before you read; `wait` returns at once if the bell rang after it."""
        return self._count[topic]

    def ring(self, topics: Iterable[str]) -> None:
        for topic in topics:
            self._count[topic] += 1
            for each in self._waiting.pop(topic, ()):
                if not each.done():
                    each.set_result(None)

    async def wait(self, topic: str, ticket: int, timeout_s: float | None) -> bool:
        """Whether it rang before the time-out."""
        if self._count[topic] != ticket:
            return True
        rung = asyncio.get_running_loop().create_future()
        self._waiting[topic].add(rung)
        try:
            async with asyncio.timeout(timeout_s):
                await rung
        except TimeoutError:
            return False
        finally:
            self._waiting[topic].discard(rung)
        return True
