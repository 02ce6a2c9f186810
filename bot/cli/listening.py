"""What one server and the parent of several have in common: the port, and the signal to stop."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog

from bot.cli import output
from bot.settings import Settings, WrongSettings
from store.engine.transaction import StoreError

log = structlog.get_logger()


def cannot_listen(loaded: Settings, exc: OSError) -> WrongSettings:
    return WrongSettings(
        f"Cannot listen on {loaded.host}:{loaded.port}: {os.strerror(exc.errno or 0)}. "
        "Set HUBBUB_HOST and HUBBUB_PORT to an address of this machine that is free."
    )


def say_address(address: Any) -> None:
    """Tell the address of the first socket. If the setting of the port is 0, it has another."""
    host, port = address[:2]
    # The program that started the server may not read this, or keep it on a full disk.
    with suppress(OSError):
        output.say(f"Hubbub is listening on http://{f'[{host}]' if ':' in host else host}:{port}")


def stop_signal() -> asyncio.Event:
    """Set when the process gets SIGTERM or SIGINT."""
    must_stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, must_stop.set)
    return must_stop


def on_hang_up(renew: Callable[[], Awaitable[None]]) -> None:
    """On SIGHUP, renew the connections to the database. Without this, SIGHUP ends the process."""
    running: set[asyncio.Task[None]] = set()

    def begin() -> None:
        task = asyncio.create_task(_renew(renew))
        running.add(task)
        task.add_done_callback(running.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, begin)


async def _renew(renew: Callable[[], Awaitable[None]]) -> None:
    try:
        await renew()
    except StoreError as exc:
        log.warning("the connections to the database stay as they are", why=str(exc))
    else:
        log.info("new connections to the database from now on")
