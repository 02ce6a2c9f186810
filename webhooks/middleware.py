"""Around every handler: who asks, how refusals and bugs are worded, what is counted."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web

from bot.errors import Refused, failure
from webhooks.app_keys import ACTOR, METRICS, TOKENS

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

# These need a token; the webhook has its signature.
GUARDED = ("/api/v1/", "/mcp")
OPEN = ("/api/v1/openapi.json",)


@web.middleware
async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
    began = time.perf_counter()
    response = await handler(request)
    resource = request.match_info.route.resource
    route = resource.canonical if resource else "none"
    metrics = request.app[METRICS]
    metrics.requests.labels(route, response.status).inc()
    metrics.seconds.labels(route).observe(time.perf_counter() - began)
    return response


@web.middleware
async def worded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One shape for every error; a bug is logged under a reference."""
    try:
        return await handler(request)
    except Refused as exc:
        return refusal(exc)
    except web.HTTPException as exc:
        if exc.status < 400:
            raise
        code = "too_large" if exc.status == 413 else "bad_request"
        said = Refused(code, f"{request.method} {request.path}: {exc.reason}.")
        return web.json_response(said.body(), status=exc.status)
    except (web.RequestPayloadError, ConnectionError) as exc:
        return refusal(Refused("bad_request", f"The body cannot be read: {_one_line(exc)}."))
    except Exception as exc:  # noqa: BLE001 - the top: whatever it is, it is logged and answered
        return refusal(failure(exc, path=request.path))


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())


def refusal(exc: Refused) -> web.Response:
    headers = {"WWW-Authenticate": 'Bearer realm="hubbub"'} if exc.status == 401 else None
    return web.json_response(exc.body(), status=exc.status, headers=headers)


@web.middleware
async def authenticated(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path.startswith(GUARDED) and request.path not in OPEN:
        request[ACTOR] = await request.app[TOKENS].authenticate(bearer(request))
    return await handler(request)


def bearer(request: web.Request) -> str:
    """The token in the header. Raise Refused."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.isascii() or not token.strip():
        raise Refused(
            "unauthenticated",
            "Present a token as `Authorization: Bearer …`; `hubbub token create` makes one.",
        )
    return token.strip()
