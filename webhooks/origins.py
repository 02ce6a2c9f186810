"""Where an HTTP request comes from, for the audit; and what it changes or is refused."""

import re
import secrets
from dataclasses import replace
from functools import partial
from typing import TypeVar

from aiohttp import web

from bot.dispatch.callers import Caller
from bot.errors import Refused
from store.engine.origins import BOT, Origin, Surface
from store.engine.transaction import Store, Tx, Work
from webhooks.app_keys import DISPATCHER
from webhooks.client_address import PROXIES
from webhooks.disconnects import is_gone

T = TypeVar("T")

HEADER = "X-Request-Id"
# GitHub's id of a delivery.
GUID = "X-GitHub-Delivery"
# What a proxy or a client may give as the id of its request.
ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# By the first part of the path.
SURFACES: dict[str, Surface] = {"mcp": "mcp", "a2a": "a2a"}
REQUEST_ID = web.RequestKey("request_id", str)


def request_id(request: web.Request) -> str:
    """The id that the request came with, or a new one. The answer has it too."""
    if REQUEST_ID not in request:
        given = request.headers.get(HEADER) or request.headers.get(GUID) or ""
        found: str = given if ID.fullmatch(given) else secrets.token_hex(8)
        request[REQUEST_ID] = found
    return request[REQUEST_ID]


def origin_of(request: web.Request, surface: Surface | None = None) -> Origin:
    """`surface`: if the path does not say it."""
    found = surface or SURFACES.get(request.path.split("/")[1], "rest")
    remote = request.app[PROXIES].client(request)
    return Origin(found, remote, request=request_id(request))


async def write(
    request: web.Request,
    store: Store,
    work: Work[T],
    surface: Surface | None = None,
    actor: str = BOT,
    credential: str = "",
) -> T:
    """Run `work` in a transaction that comes from this request.

    `actor`: who acts, if known. `credential`: the id of the one with which they act.
    """
    origin = replace(origin_of(request, surface), actor=actor, credential=credential)

    async def work_from_here(tx: Tx) -> T:
        tx.origin = origin
        return await work(tx)

    return await store.write(work_from_here)


async def record_refusal(request: web.Request, operation: str, surface: Surface) -> None:
    """Record that a stranger was refused here."""
    refused = Refused("unauthenticated", operation)
    refusals = request.app[DISPATCHER].refusals
    await refusals.record_stranger(operation, refused, origin_of(request, surface))


def caller_of(request: web.Request) -> Caller:
    return Caller(partial(is_gone, request), origin_of(request))
