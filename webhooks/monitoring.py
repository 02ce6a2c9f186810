"""What programs that watch the server may read, and who may.

`/metrics` and the problems that `/readyz` lists name agents and repositories. Programs on this
machine may see them, and callers with HUBBUB_METRICS_TOKEN.
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import web

from bot.errors import Refused
from webhooks.client_address import PROXIES

Problems: TypeAlias = dict[str, str]


async def _none() -> Problems:
    return {}


@dataclass(frozen=True)
class Monitoring:
    """`ready` returns the problems that /readyz reports.

    `alive` returns those that only a new process can solve, which /healthz reports. `token` opens
    /metrics to other machines.
    """

    ready: Callable[[], Awaitable[Problems]] = _none
    alive: Callable[[], Problems] = dict
    token: str = ""


NO_PROBLEMS = Monitoring()
MONITORING = web.AppKey("monitoring", Monitoring)


def may_see(request: web.Request) -> bool:
    if request.app[PROXIES].is_local(request):
        return True
    expected = request.app[MONITORING].token
    token = request.headers.get("Authorization", "").partition(" ")[2].strip()
    # A header may have bytes that are no text.
    given = token.encode(errors="surrogateescape")
    return bool(expected) and hmac.compare_digest(expected.encode(), given)


def check(request: web.Request) -> None:
    """Raise Refused."""
    if not may_see(request):
        raise Refused(
            "unauthenticated",
            "Only programs on the server's machine see this without a token. Send "
            "HUBBUB_METRICS_TOKEN as `Authorization: Bearer <token>`.",
        )
