"""Who may see `/metrics` and the problems that `/readyz` lists.

Both name agents and repositories. Programs on this machine may see them, and callers with
HUBBUB_METRICS_TOKEN.
"""

import hmac

from aiohttp import web

from bot.errors import Refused
from webhooks.client_address import PROXIES

MONITORING_TOKEN = web.AppKey("monitoring_token", str)


def may_see(request: web.Request) -> bool:
    if request.app[PROXIES].is_local(request):
        return True
    expected = request.app[MONITORING_TOKEN]
    token = request.headers.get("Authorization", "").partition(" ")[2].strip()
    return bool(expected) and hmac.compare_digest(expected.encode(), token.encode())


def check(request: web.Request) -> None:
    """Raise Refused."""
    if not may_see(request):
        raise Refused(
            "unauthenticated",
            "Only programs on the server's machine see this without a token. Send "
            "HUBBUB_METRICS_TOKEN as `Authorization: Bearer <token>`.",
        )
