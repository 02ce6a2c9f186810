"""Who may run now: a few calls at once, and no installation takes all places."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """`most` calls run at once, and `most_of_one` of one installation. Others wait.

    The next one is of the installation that has the fewest, so that nobody waits behind the whole
    queue of somebody else.
    """

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._running = Counter[int]()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def one(self, installation_id: int) -> AsyncIterator[None]:
        """Wait for a place, and hold it."""
        await self._take(installation_id)
        try:
            yield
        finally:
            self._leave(installation_id)

    def _has_place(self, installation_id: int) -> bool:
        return (
            self._running.total() < self._most
            and self._running[installation_id] < self._most_of_one
        )

    async def _take(self, installation_id: int) -> None:
        if self._has_place(installation_id):
            self._running[installation_id] += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append((installation_id, place))
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                self._waiting.remove((installation_id, place))
            else:  # it was given in the meantime
                self._leave(installation_id)
            raise

    def _leave(self, installation_id: int) -> None:
        self._running[installation_id] -= 1
        # `+` leaves out who has none.
        self._running = +self._running
        fitting = [each for each in self._waiting if self._has_place(each[0])]
        if not fitting:
            return
        found = min(fitting, key=lambda each: self._running[each[0]])
        self._waiting.remove(found)
        self._running[found[0]] += 1
        found[1].set_result(None)
