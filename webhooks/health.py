"""`/healthz`, `/readyz`, `/metrics`, and `/`, which lists the addresses."""

import asyncio
from typing import Any

from aiohttp import web

from bot.kernel import freshness
from webhooks import monitoring
from webhooks.app_keys import DISPATCHER, METRICS, SIGNATURES
from webhooks.metrics import response
from webhooks.middleware import RETRY_AFTER_S
from webhooks.monitoring import MONITORING

# How long the database may take to tell of the backfills.
BACKFILLS_S = 2.0
RETRY = {"Retry-After": str(RETRY_AFTER_S)}
ABOUT = """Hubbub: AI agents and people on the same GitHub repositories.

POST /webhooks/github       webhook deliveries of GitHub
/mcp                        the operations as tools of MCP
POST /api/v1/<operation>    the operations by REST; /api/v1/openapi.json describes them
POST /enrol                 an agent gets its token for the code of an invitation
GET /ws                     calls and events by WebSocket
POST /a2a/v1                A2A; /.well-known/agent-card.json is the card
GET /accounts/<account>     the page for people, in a browser
GET /login                  people log in with GitHub; POST /logout
GET /oauth/authorize        the login of MCP clients
GET /healthz /readyz        whether the process runs, and whether it can work
GET /metrics                metrics for Prometheus
"""


async def alive(request: web.Request) -> web.Response:
    """Not alive: a loop ended and cannot be started again, so only a new process can help."""
    if dead := request.app[MONITORING].alive():
        return web.json_response({"status": "dead", "problems": dead}, status=503)
    return web.json_response({"status": "alive"})


async def ready(request: web.Request) -> web.Response:
    """With these problems the process is only degraded: reads use the mirror, and writes wait."""
    wrong = await request.app[MONITORING].ready()
    if refused := request.app[SIGNATURES].problem():
        wrong = wrong | {"webhooks": refused}
    unready = bool(wrong.keys() - {"github", "webhooks"})
    status = "not ready" if unready else "degraded" if wrong else "ready"
    backfill = {} if "database" in wrong else await _backfills(request)
    answer: dict[str, Any] = {"status": status}
    if monitoring.may_see(request):
        answer |= {"problems": wrong, "backfill": backfill}
    if unready:
        return web.json_response(answer, status=503, headers=RETRY)
    return web.json_response(answer)


async def _backfills(request: web.Request) -> dict[str, str]:
    """The progress of the running backfills, by repository."""
    try:
        async with asyncio.timeout(BACKFILLS_S):
            return await request.app[DISPATCHER].store.read(freshness.filling)
    except Exception:  # noqa: BLE001 - the answer already says that the database is away
        return {}


async def metrics(request: web.Request) -> web.Response:
    monitoring.check(request)
    return response(await request.app[METRICS].render(request.app[DISPATCHER]))


async def about(_: web.Request) -> web.Response:
    return web.Response(text=ABOUT)
