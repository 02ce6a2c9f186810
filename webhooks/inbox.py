"""Group commit: deliveries that arrive during a transaction go into the next one together."""

import asyncio
from collections.abc import Sequence
from functools import partial

from store import deliveries
from store.deliveries import Delivery
from store.transaction import Store, StoreError

# More would hold the writers' lock for long; and on MySQL a packet has its bounds.
MOST_AT_ONCE = 200
MOST_BYTES = 4 * 2**20


class Inbox:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[Delivery, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def receive(self, delivery: Delivery) -> None:
        """Returns once the delivery is durable. Raise what the store raises."""
        kept = asyncio.get_running_loop().create_future()
        self._waiting.append((delivery, kept))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        await kept

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch = self._next()
                await self._write(batch)
        finally:
            self._writing = None

    def _next(self) -> list[tuple[Delivery, asyncio.Future[None]]]:
        size = taken = 0
        for delivery, _ in self._waiting[:MOST_AT_ONCE]:
            size += len(delivery.payload)
            if taken and size > MOST_BYTES:
                break
            taken += 1
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return batch

    async def _write(self, batch: Sequence[tuple[Delivery, asyncio.Future[None]]]) -> None:
        try:
            rows = [delivery for delivery, _ in batch]
            await self._store.write(partial(deliveries.receive, arrived=rows))
        except Exception as exc:  # noqa: BLE001 - each request answers for its own
            if len(batch) > 1 and not isinstance(exc, StoreError):
                for each in batch:  # one may be what the others fail by
                    await self._write([each])
                return
            _settle(batch, exc)
        else:
            _settle(batch, None)


def _settle(
    batch: Sequence[tuple[Delivery, asyncio.Future[None]]], failed: Exception | None
) -> None:
    for _, kept in batch:
        if kept.done():
            continue  # who waited has left
        if failed is None:
            kept.set_result(None)
        else:
            kept.set_exception(failed)
