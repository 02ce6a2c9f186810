"""`hubbub worker`: runs tasks with models, beside `serve` or on another machine."""

import asyncio
import sys
from contextlib import suppress

import structlog

from bot.background.agent_endpoints import courier_of
from bot.background.notifying import links_of
from bot.cli import listening, tool_connections
from bot.cli.session import open_session
from bot.identity.server_address import address_of
from bot.protocols.courier import Courier
from bot.protocols.routing import IN_WORKER
from bot.settings import Settings
from bot.tracing.exporting import open_tracing
from store.engine.transaction import Store, StoreError
from store.protocols.endpoint_deliveries import TOPIC

log = structlog.get_logger()

LOOK_EVERY_S = 2.0
# A child ends after this time without work; its parent starts another one when there is some.
IDLE_S = 60.0
# At the end: how long a run may take to reach its next step. The next process goes on from it.
FINISH_S = 5.0


async def work(loaded: Settings, *, is_child: bool) -> None:
    """Run until the process is told to stop. A child also ends with its parent, or when idle."""
    must_stop = listening.stop_signal()
    async with (
        open_tracing(),
        open_session(loaded) as bare,
        tool_connections.connect(bare, loaded) as opened,
    ):
        address = address_of(loaded)
        courier = courier_of(opened.store, opened.shared, address, IN_WORKER, links_of(loaded))
        watch = asyncio.create_task(_end_with_parent(must_stop)) if is_child else None
        await _loop(opened.store, courier, must_stop, IDLE_S if is_child else None)
        await courier.finish(FINISH_S)
        if watch:
            watch.cancel()


async def _loop(
    store: Store, courier: Courier, must_stop: asyncio.Event, idle_s: float | None
) -> None:
    clock = asyncio.get_running_loop().time
    busy_at = clock()
    while not must_stop.is_set():
        # Before the step, so that what rings during it is heard.
        ticket = store.bell.ticket(TOPIC)
        try:
            await courier.step()
        except StoreError as exc:
            log.warning("database away", error=str(exc))
        if courier.is_busy:
            busy_at = clock()
        if idle_s is not None and clock() - busy_at > idle_s:
            return
        await _pause(store, ticket, must_stop)


async def _pause(store: Store, ticket: int, must_stop: asyncio.Event) -> None:
    """Until the bell rings, the time is over, or the process must stop."""
    bell = asyncio.create_task(store.bell.wait(TOPIC, ticket, LOOK_EVERY_S))
    end = asyncio.create_task(must_stop.wait())
    _, pending = await asyncio.wait({bell, end}, return_when=asyncio.FIRST_COMPLETED)
    for each in pending:
        each.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


async def _end_with_parent(must_stop: asyncio.Event) -> None:
    """The parent never writes, so its pipe can be read only once it is gone."""
    reader = asyncio.StreamReader()
    with suppress(OSError):
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await reader.read()
    must_stop.set()
