"""`hubbub serve`: the parts of the server put together."""

import asyncio
from functools import partial

from aiohttp import web
from pydantic import SecretStr

from bot.background import health, late_loops
from bot.background.late_loops import LateLoops
from bot.cli import listening, session, tool_connections
from bot.cli.inheritance import Inheritance
from bot.dispatch.dispatcher import Dispatcher
from bot.github.sign_in import ClientId
from bot.identity.actions.github_oidc import issuer_of
from bot.identity.oauth.clients import registered_clients
from bot.identity.server_address import address_of, names_of
from bot.identity.tokens import Tokens
from bot.inbox.backpressure import Backpressure
from bot.kernel import late_imports
from bot.runs import actions_tokens
from bot.settings import GitHubApp, Settings, github_login, split_list
from bot.tenants import own_settings
from bot.tracing.exporting import open_tracing
from mcp_server import lazy
from webhooks import listener
from webhooks.addresses import Addresses
from webhooks.app import create_app
from webhooks.app_keys import DISPATCHER
from webhooks.client_address import Proxies, networks
from webhooks.login import Login
from webhooks.monitoring import Monitoring
from webhooks.oauth.server import OAuthServer

# At the end: how long requests that are being answered may take. aiohttp waits twice as long.
FINISH_S = 1.0


async def serve(
    loaded: Settings, github_app: GitHubApp, inherited: Inheritance | None = None
) -> None:
    pressure = Backpressure()
    async with (
        open_tracing(),
        session.open_session(loaded, make=True, app=github_app) as bare,
        tool_connections.connect(bare, loaded, serves=True) as opened,
        late_loops.late_loops(opened.store, opened.shared, loaded, github_app, pressure) as running,
        actions_tokens.open_checker(opened.store, _issuer(loaded), address_of(loaded)) as actions,
    ):
        # Before the first request: what is turned off stays off after a restart.
        await opened.shared.flags.refresh(opened.store)
        await own_settings.refresh(opened.store, opened.shared)
        dispatcher = Dispatcher(opened.store, opened.shared, refusals=running.refusals)
        addresses = Addresses(address_of(loaded), bool(loaded.public_url), loaded.host)
        tokens = Tokens(opened.store, opened.keys, [addresses.audience], [actions])
        clients = registered_clients(loaded.oauth_clients)
        server = create_app(
            dispatcher,
            tokens,
            pressure=pressure,
            webhook_secrets=github_app.webhook_secrets,
            monitoring=_monitoring(loaded, opened, running),
            mcp=partial(lazy.serving, dispatcher, tokens, names_of(loaded)),
            addresses=addresses,
            proxies=Proxies(networks(split_list(loaded.trusted_proxies)), names_of(loaded)),
            login=_login(loaded, github_app, opened),
            oauth=OAuthServer(
                opened.store,
                opened.keys,
                clients,
                actions=actions,
                repeat_s=loaded.refresh_repeat_s,
            ),
        )
        if opened.renew:
            listening.on_hang_up(opened.renew)
        await _run(server, loaded, running, inherited)
    if inherited:
        inherited.remove_metrics()


async def _run(
    server: web.Application, loaded: Settings, running: LateLoops, inherited: Inheritance | None
) -> None:
    """Listen and answer until the process must stop."""
    connections = server[listener.CONNECTIONS]
    connections.most = listener.raise_file_limit()
    runner = web.AppRunner(
        server,
        access_log=None,
        shutdown_timeout=FINISH_S,
        keepalive_timeout=listener.KEEPALIVE_S,
    )
    await runner.setup()
    must_stop = _stop_event(running, inherited)
    try:
        await _listen(runner, loaded, connections, inherited)
        running.start(must_stop.set)
        await must_stop.wait()
        late_imports.stop()
        server[DISPATCHER].waiters.stop()
        running.stop()
    finally:
        await runner.cleanup()


def _monitoring(loaded: Settings, opened: session.Session, running: LateLoops) -> Monitoring:
    return Monitoring(
        health.Readiness(opened.store, running.problems).problems,
        running.given_up,
        (loaded.metrics_token or SecretStr("")).get_secret_value(),
    )


def _login(loaded: Settings, github_app: GitHubApp, opened: session.Session) -> Login:
    """How people log in. Without a client secret, `/login` says that it is off."""
    found = github_login(loaded)
    client_id = ClientId(found.client_id if found else "", github_app)
    return Login(found, opened.store, opened.keys, client_id.get)


def _issuer(loaded: Settings) -> str:
    """Who issues the tokens of GitHub Actions."""
    return loaded.github_oidc_issuer or issuer_of(loaded.github_api_url)


async def _listen(
    runner: web.AppRunner,
    loaded: Settings,
    connections: listener.Connections,
    inherited: Inheritance | None,
) -> None:
    if inherited:
        for port in inherited.ports:
            await listener.Inherited(runner, port, connections).start()
        inherited.report_listening()
        return
    try:
        await listener.Listener(runner, loaded.host, loaded.port, connections).start()
    except OSError as exc:
        raise listening.cannot_listen(loaded, exc) from exc
    listening.say_address(runner.addresses[0])


def _stop_event(running: LateLoops, inherited: Inheritance | None) -> asyncio.Event:
    """Set when the process must stop."""
    must_stop = listening.stop_signal()
    if inherited:
        inherited.end_with_parent(must_stop)
        # Only a new process can help, and the parent starts one.
        running.when_given_up = must_stop.set
    return must_stop
