"""Group commit: deliveries that arrive during a transaction go into the next one together."""

import asyncio
from collections.abc import Sequence
from functools import partial

from bot.inbox.backpressure import Backpressure
from store.engine.transaction import Store, StoreError
from store.inbox import deliveries
from store.inbox.deliveries import Delivery

# A larger batch would hold the lock of the writer too long, and MySQL limits a packet.
MOST_AT_ONCE = 200
MOST_BYTES = 4 * 2**20


class Inbox:
    def __init__(self, store: Store, pressure: Backpressure) -> None:
        self._store = store
        self._pressure = pressure
        self._waiting: list[tuple[Delivery, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def receive(self, delivery: Delivery) -> None:
        """Return once the delivery is durable. Raise what the store raises."""
        kept = asyncio.get_running_loop().create_future()
        self._pressure.report_arrival()
        self._waiting.append((delivery, kept))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        await kept
        self._pressure.report_stored()

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                batch = self._next()
                await self._write(batch)
        finally:
            self._writing = None

    async def _gather(self) -> None:
        """Wait for deliveries that are just being received, so that one commit stores them all.

        One that is alone is stored at once.
        """
        seen = 1
        while seen < len(self._waiting) < MOST_AT_ONCE:
            seen = len(self._waiting)
            await asyncio.sleep(0)

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
        except Exception as exc:  # noqa: BLE001 - each request gets its own error
            if len(batch) > 1 and not isinstance(exc, StoreError):
                for each in batch:  # one delivery may make the others fail
                    await self._write([each])
                return
            _resolve(batch, exc)
        else:
            _resolve(batch, None)


def _resolve(
    batch: Sequence[tuple[Delivery, asyncio.Future[None]]], failed: Exception | None
) -> None:
    for _, kept in batch:
        if kept.done():
            continue  # the request is gone
        if failed is None:
            kept.set_result(None)
        else:
            kept.set_exception(failed)
