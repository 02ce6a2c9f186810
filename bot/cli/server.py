"""`hubbub serve`: the parts of the server put together."""

import asyncio
import os
import signal
from contextlib import suppress
from functools import partial

from aiohttp import web

from bot.background import health, loops, retention
from bot.cli import output, session
from bot.dispatch.dispatcher import Dispatcher
from bot.identity.tokens import Tokens
from bot.inbox.backpressure import Backpressure
from bot.settings import GitHubApp, Settings, WrongSettings
from mcp_server import lazy
from webhooks import listener
from webhooks.app import create_app

# At the end: how long requests that are being answered may take. aiohttp waits twice as long.
FINISH_S = 1.0


async def serve(loaded: Settings, github_app: GitHubApp) -> None:
    times, pressure = retention.retention_times(loaded), Backpressure()
    async with (
        session.open_session(loaded, make=True, app=github_app) as opened,
        loops.run_loops(opened.store, opened.shared, pressure, github_app, times) as running,
    ):
        tokens = Tokens(opened.store, opened.keys)
        dispatcher = Dispatcher(opened.store, opened.shared)
        server = create_app(
            dispatcher,
            tokens,
            pressure=pressure,
            webhook_secret=github_app.webhook_secret,
            webhook_secret_old=github_app.webhook_secret_old,
            mcp=partial(lazy.serving, dispatcher, tokens, loaded.host, loaded.public_url),
            ready=health.Readiness(opened.store, running.health).problems,
            alive=lambda: running.supervisor.given_up,
        )
        server[listener.CONNECTIONS].most = listener.raise_file_limit()
        runner = web.AppRunner(
            server,
            access_log=None,
            shutdown_timeout=FINISH_S,
            keepalive_timeout=listener.KEEPALIVE_S,
        )
        await runner.setup()
        told = _told_to_stop()
        try:
            await _listen(runner, loaded, server[listener.CONNECTIONS])
            await told.wait()
            dispatcher.waiters.stop()
            running.stop()
        finally:
            await runner.cleanup()


async def _listen(
    runner: web.AppRunner, loaded: Settings, connections: listener.Connections
) -> None:
    try:
        await listener.Listener(runner, loaded.host, loaded.port, connections).start()
    except OSError as exc:
        raise WrongSettings(
            f"Cannot listen on {loaded.host}:{loaded.port}: {os.strerror(exc.errno or 0)}. "
            "Set HUBBUB_HOST and HUBBUB_PORT to an address of this machine that is free."
        ) from exc
    host, port = runner.addresses[0][:2]
    # The program that started the server may not read this, or keep it on a full disk.
    with suppress(OSError):
        output.say(f"Hubbub is listening on http://{f'[{host}]' if ':' in host else host}:{port}")


def _told_to_stop() -> asyncio.Event:
    told = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, told.set)
    return told
