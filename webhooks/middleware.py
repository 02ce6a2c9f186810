"""Around every handler: authentication, the form of errors, and metrics."""

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

from aiohttp import web

from bot import tracing
from bot.audit.contents import public_id
from bot.errors import Refused, failure
from store.engine.origins import Surface
from webhooks.app_keys import ACTOR, DISPATCHER, METRICS, TOKENS
from webhooks.bodies import check_encoding
from webhooks.listener import CONNECTIONS
from webhooks.oauth.metadata import challenge
from webhooks.origins import HEADER, REQUEST_ID, origin_of, request_id

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

# These need a token. A webhook has a signature instead.
GUARDED = ("/api/v1/", "/mcp", "/a2a/v1")
# Set when an answer begins.
BEGUN = web.RequestKey("begun", bool)
# After an outage of the database.
RETRY_AFTER_S = 5
OPEN = ("/api/v1/openapi.json", "/api/v1/docs")
# The surface, and the name of a refused request, where the path decides.
SURFACES: dict[str, tuple[Surface, str]] = {
    "/ws": ("websocket", "request"),
    "/a2a/v1": ("a2a", "request"),
    "/webhooks/github": ("webhook", "webhook"),
}


@web.middleware
async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
    began = time.perf_counter()
    with tracing.continuing(request.headers.get("traceparent")):
        response = await handler(request)
    resource = request.match_info.route.resource
    route = resource.canonical if resource else "none"
    metrics = request.app[METRICS]
    metrics.requests.labels(route, response.status).inc()
    metrics.seconds.labels(route).observe(time.perf_counter() - began)
    if REQUEST_ID in request and not response.prepared:
        response.headers[HEADER] = request[REQUEST_ID]
    return response


async def mark_begun(request: web.Request, _response: web.StreamResponse) -> None:
    """A signal of aiohttp, before the first byte of an answer."""
    request[BEGUN] = True


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every error the same form. A bug is logged under a reference."""
    response = await _answer(request, handler)
    if BEGUN in request and not response.prepared and request.transport is not None:
        # Clients would read a second answer as the content of the one that began.
        request.transport.abort()
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        check_encoding(request)
        return await handler(request)
    except Refused as exc:
        await _record(request, exc)
        return refusal(request, exc)
    except web.HTTPException as exc:
        if exc.status < 400:
            raise
        headers = {"Allow": exc.headers["Allow"]} if exc.status == 405 else None
        body = _http_error(request, exc).body()
        return web.json_response(body, status=exc.status, headers=headers)
    except (web.RequestPayloadError, ConnectionError) as exc:
        return refusal(
            request,
            Refused("bad_request", f"The body cannot be read: {_one_line(exc)}. Send it again."),
        )
    except Exception as exc:  # noqa: BLE001 - every bug is logged and answered
        return refusal(request, failure(exc, path=request.path, request=request_id(request)))


async def _record(request: web.Request, exc: Refused) -> None:
    """Record a refusal that no operation recorded: of a token, or of a malformed request."""
    refusals = request.app[DISPATCHER].refusals
    surface, which = SURFACES.get(request.path, (None, "request"))
    origin = origin_of(request, surface)
    if (actor := request.get(ACTOR)) is not None:
        await refusals.record_call(actor, which, None, exc, origin)
    elif exc.code == "unauthenticated" and not exc.is_recorded:
        token = request.headers.get("Authorization", "")
        await refusals.record_stranger(which, exc, replace(origin, credential=public_id(token)))


def _http_error(request: web.Request, exc: web.HTTPException) -> Refused:
    where = f"{request.method} {request.path}"
    if isinstance(exc, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(exc.allowed_methods))
        return Refused("bad_request", f"{where}: this address accepts only {allowed}.")
    if exc.status == 404:
        return Refused("bad_request", f"{where}: this address does not exist. GET / lists them.")
    code = "too_large" if exc.status == 413 else "bad_request"
    return Refused(code, f"{where}: {exc.reason}.")


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())


def refusal(request: web.Request, exc: Refused) -> web.Response:
    return web.json_response(exc.body(), status=exc.status, headers=_headers(request, exc))


def _headers(request: web.Request, exc: Refused) -> dict[str, str]:
    if exc.status == 401:
        return {"WWW-Authenticate": challenge(request)}
    if exc.status == 415:
        return {"Accept-Encoding": "identity"}
    if exc.status == 503:
        return {"Retry-After": str(RETRY_AFTER_S)}
    if "retry_after_s" in exc.details:
        return {"Retry-After": str(math.ceil(exc.details["retry_after_s"]))}
    return {}


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path.startswith(GUARDED) and request.path not in OPEN:
        request[ACTOR] = actor = await request.app[TOKENS].authenticate(bearer(request))
        caller = (actor.installation_id, actor.name)
        with request.app[CONNECTIONS].mark_known(request, caller):
            return await handler(request)
    return await handler(request)


def bearer(request: web.Request) -> str:
    """The token in the header. Raise Refused."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.isascii() or not token.strip():
        raise Refused(
            "unauthenticated",
            "The token is missing. Send it as `Authorization: Bearer <token>`; `hubbub token "
            "create` creates one.",
        )
    return token.strip()
