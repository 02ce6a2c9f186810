"""The HTTP server: webhooks, operations by REST, WebSocket and MCP, health."""

from collections.abc import AsyncIterator, Iterable

from aiohttp import web

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.tokens import Tokens
from bot.inbox.backpressure import Backpressure
from webhooks import (
    enrolment,
    files,
    github,
    health,
    invitation_page,
    middleware,
    process_metrics,
    rest,
    uploads,
    websocket,
)
from webhooks import login as login_routes
from webhooks.a2a import routes as a2a_routes
from webhooks.addresses import ADDRESSES, LOCAL, Addresses
from webhooks.app_keys import DISPATCHER, INBOX, METRICS, SIGNATURES, TOKENS, WEBHOOK_SECRETS
from webhooks.bodies import BODIES, HANDLER_ARGS, Bodies
from webhooks.client_address import NO_PROXIES, PROXIES, Proxies
from webhooks.group_commit import Inbox
from webhooks.listener import CONNECTIONS, Connections
from webhooks.login import Login
from webhooks.mcp import MCP, Mount, respond
from webhooks.metrics import Metrics
from webhooks.monitoring import MONITORING, NO_PROBLEMS, Monitoring
from webhooks.oauth import metadata, routes
from webhooks.oauth.server import OAuthServer
from webhooks.page import routes as page_routes
from webhooks.refused_signatures import RefusedSignatures
from webhooks.revocation_watch import RevocationWatch
from webhooks.sockets import SOCKETS, Sockets


def create_app(
    dispatcher: Dispatcher,
    tokens: Tokens,
    *,
    pressure: Backpressure,
    webhook_secrets: Iterable[str],
    monitoring: Monitoring = NO_PROBLEMS,
    mcp: Mount | None = None,
    addresses: Addresses = LOCAL,
    proxies: Proxies = NO_PROXIES,
    login: Login | None = None,
    oauth: OAuthServer | None = None,
) -> web.Application:
    """`webhook_secrets`: with any of them a delivery may be signed. `mcp` is served at /mcp."""
    app = web.Application(
        middlewares=[middleware.measure, middleware.answer_errors, middleware.authenticate],
        handler_args=HANDLER_ARGS,
    )
    app.on_response_prepare.append(middleware.mark_begun)
    app[DISPATCHER] = dispatcher
    app[TOKENS] = tokens
    app[ADDRESSES] = addresses
    app[INBOX] = Inbox(dispatcher.store, pressure)
    app[METRICS] = Metrics()
    process_metrics.add_to(app, app[METRICS].process, dispatcher.store.pool)
    app[BODIES] = Bodies()
    app[PROXIES] = proxies
    app[MONITORING] = monitoring
    app[CONNECTIONS] = Connections()
    app[SOCKETS] = Sockets(counted=dispatcher.shared.sockets)
    app[WEBHOOK_SECRETS] = tuple(filter(None, webhook_secrets))
    app[SIGNATURES] = RefusedSignatures()
    _add_routes(app)
    metadata.add_routes(app.router, addresses.path_prefix())
    a2a_routes.add_routes(app.router, login=oauth is not None)
    if login is not None:
        login_routes.add_routes(app, login)
        invitation_page.add_routes(app)
        page_routes.add_routes(app)
    else:
        app.router.add_get("/", health.about)
    if oauth is not None:
        routes.add_routes(app, oauth)
    _heed_revocations(app)
    if mcp is not None:
        _mount(app, mcp)
    return app


def _add_routes(app: web.Application) -> None:
    app.router.add_post("/webhooks/github", github.receive)
    app.router.add_get("/api/v1/openapi.json", rest.openapi)
    app.router.add_post("/api/v1/{operation}", rest.call)
    app.router.add_post("/enrol", enrolment.enrol)
    app.router.add_get("/ws", websocket.connect)
    uploads.add_routes(app)
    files.add_routes(app)
    app.router.add_get("/healthz", health.alive)
    app.router.add_get("/readyz", health.ready)
    app.router.add_get("/metrics", health.metrics)


def _heed_revocations(app: web.Application) -> None:
    """End what a revoked token has under way, and all sockets when the server stops."""
    dispatcher, tokens, sockets = app[DISPATCHER], app[TOKENS], app[SOCKETS]
    dispatcher.is_revoked = tokens.is_revoked
    app.cleanup_ctx.append(RevocationWatch(tokens, sockets, dispatcher.waiters).life)
    app.on_shutdown.append(sockets.close_all)


def _mount(app: web.Application, mcp: Mount) -> None:
    running: list[MCP] = []

    async def life(_: web.Application) -> AsyncIterator[None]:
        async with mcp() as handler:
            running.append(handler)
            yield

    async def handle(request: web.Request) -> web.StreamResponse:
        return await respond(running[0], request)

    app.cleanup_ctx.append(life)
    # No GET: the server keeps no sessions, so it could never send anything on that stream.
    for path in ("/mcp", "/mcp/"):
        # Both, because many clients do not follow a redirect from one to the other.
        app.router.add_post(path, handle)
