"""Whether the process lives, whether it can work, what it counts."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.kernel import freshness
from webhooks.app_keys import DISPATCHER, METRICS
from webhooks.metrics import response

READY: web.AppKey[Callable[[], Awaitable[dict[str, str]]]] = web.AppKey("ready")
ABOUT = """Hubbub: AI agents and people on the same GitHub repositories.

POST /webhooks/github       GitHub's deliveries
/mcp                        the tools, for MCP clients
POST /api/v1/<operation>    the same over REST: /api/v1/openapi.json
/healthz /readyz /metrics   for those who run it
"""


async def alive(_: web.Request) -> web.Response:
    return web.json_response({"status": "alive"})


async def ready(request: web.Request) -> web.Response:
    """GitHub being away only degrades: what is mirrored is served, what is written waits."""
    wrong = await request.app[READY]()
    unready = bool(wrong.keys() - {"github"})
    status = "not ready" if unready else "degraded" if wrong else "ready"
    told = {"status": status, "problems": wrong, "backfill": await _filling(request)}
    return web.json_response(told, status=503 if unready else 200)


async def _filling(request: web.Request) -> dict[str, str]:
    """How far repositories are that are being fetched for the first time."""
    try:
        return await request.app[DISPATCHER].store.read(freshness.filling)
    except Exception:  # noqa: BLE001 - that the database is away is told already
        return {}


async def metrics(request: web.Request) -> web.Response:
    return response(await request.app[METRICS].render(request.app[DISPATCHER]))


async def about(_: web.Request) -> web.Response:
    return web.Response(text=ABOUT)
