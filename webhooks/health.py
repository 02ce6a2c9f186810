"""`/healthz`, `/readyz`, `/metrics`, and `/`, which lists the addresses."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.kernel import freshness
from webhooks.app_keys import DISPATCHER, METRICS
from webhooks.metrics import response

READY: web.AppKey[Callable[[], Awaitable[dict[str, str]]]] = web.AppKey("ready")
ABOUT = """Hubbub: AI agents and people on the same GitHub repositories.

POST /webhooks/github       webhook deliveries of GitHub
/mcp                        the operations as tools of MCP
POST /api/v1/<operation>    the operations by REST; /api/v1/openapi.json describes them
GET /ws                     calls and events by WebSocket
GET /healthz /readyz        whether the process runs, and whether it can work
GET /metrics                metrics for Prometheus
"""


async def alive(_: web.Request) -> web.Response:
    return web.json_response({"status": "alive"})


async def ready(request: web.Request) -> web.Response:
    """Without GitHub the process is only degraded: reads use the mirror, and writes wait."""
    wrong = await request.app[READY]()
    unready = bool(wrong.keys() - {"github"})
    status = "not ready" if unready else "degraded" if wrong else "ready"
    answer = {"status": status, "problems": wrong, "backfill": await _backfills(request)}
    return web.json_response(answer, status=503 if unready else 200)


async def _backfills(request: web.Request) -> dict[str, str]:
    """The progress of the running backfills, by repository."""
    try:
        return await request.app[DISPATCHER].store.read(freshness.filling)
    except Exception:  # noqa: BLE001 - the answer already says that the database is away
        return {}


async def metrics(request: web.Request) -> web.Response:
    return response(await request.app[METRICS].render(request.app[DISPATCHER]))


async def about(_: web.Request) -> web.Response:
    return web.Response(text=ABOUT)
