"""The routes of A2A: cards for anybody, and the endpoint of JSON-RPC for callers with a token."""

import json
from typing import Any

from aiohttp import web

from bot.errors import Refused, failure
from bot.protocols.a2a import cards, errors, legacy, requests, sending
from bot.protocols.a2a.errors import RpcError
from bot.protocols.a2a.requests import Rpc
from webhooks.a2a.methods import METHODS, PUSH
from webhooks.a2a.session import Session
from webhooks.a2a.streams import STREAMED, respond
from webhooks.addresses import ADDRESSES
from webhooks.bodies import BODIES
from webhooks.oauth.metadata import FOR_PAGES, let_pages_ask

# Texts of the largest task fit many times, and files come as addresses.
LARGEST = 2**20
VERSION = "A2A-Version"
CARD_CACHE = {"Cache-Control": "public, max-age=300", **FOR_PAGES}


def add_routes(router: web.UrlDispatcher, *, login: bool) -> None:
    """`login`: people can get tokens by OAuth here."""

    async def server_card(request: web.Request) -> web.Response:
        return _card(request, None, login=login)

    async def repository_card(request: web.Request) -> web.Response:
        found = request.match_info
        return _card(request, f"{found['owner']}/{found['repository']}", login=login)

    async def agent_card(request: web.Request) -> web.Response:
        return _card(request, f"{sending.AGENT}{request.match_info['agent']}", login=login)

    for path, handler in (
        ("", server_card),
        (f"{cards.REPOSITORIES}/{{owner}}/{{repository}}", repository_card),
        (f"{cards.AGENTS}/{{agent}}", agent_card),
    ):
        for name in (cards.WELL_KNOWN, cards.OLDER_WELL_KNOWN):
            router.add_get(f"{path}{name}", handler)
            router.add_options(f"{path}{name}", let_pages_ask)
    router.add_post(cards.ENDPOINT, rpc)


def _card(request: web.Request, tenant: str | None, *, login: bool) -> web.Response:
    try:
        sending.check_tenant(tenant)
    except RpcError as exc:
        raise Refused("bad_request", f"The address names no card: {exc.message}") from exc
    base = request.app[ADDRESSES].base(request)
    card = legacy.card_for_both(cards.public(base, tenant, login=login))
    tag = cards.etag(card)
    headers = {**CARD_CACHE, "ETag": tag}
    if tag in request.headers.get("If-None-Match", "").replace("W/", ""):
        return web.Response(status=304, headers=headers)
    return web.json_response(card, headers=headers)


async def rpc(request: web.Request) -> web.StreamResponse:
    body = await request.app[BODIES].read(request, LARGEST)
    version = request.headers.get(VERSION) or request.query.get(VERSION)
    call_id = None
    try:
        call = requests.read_rpc(body, version)
        call_id = call.id
        return await _answer(request, call)
    except RpcError as exc:
        call_id = requests.id_of_body(body) if call_id is None else call_id
        return web.json_response({"jsonrpc": "2.0", "id": call_id, "error": exc.body()})


async def _answer(request: web.Request, call: Rpc) -> web.StreamResponse:
    """Raise RpcError."""
    now = legacy.to_latest(call) if call.version == requests.OLD else call
    session = Session.of(request)
    try:
        if now.method in STREAMED:
            return await respond(request, session, now, call.method)
        result = await _result(session, now)
    except Refused as exc:
        raise errors.of_refusal(exc) from exc
    except (RpcError, ConnectionError):
        raise
    except Exception as exc:
        raise errors.of_refusal(failure(exc, path=request.path)) from exc
    shown = legacy.of_result(call.method, result) if call.version == requests.OLD else result
    return web.json_response(text=_text(call, shown))


async def _result(session: Session, call: Rpc) -> Any:
    if call.method in PUSH:
        raise sending.no_push()
    if call.method not in METHODS:
        known = ", ".join([*METHODS, *STREAMED])
        raise RpcError(
            errors.NO_METHOD, f"There is no method {call.method[:50]!r}. There are {known}."
        )
    model, method = METHODS[call.method]
    params = requests.params_of(model, {} if call.params is None else call.params)
    sending.check_tenant(params.tenant)
    return await method(session, params)


def _text(call: Rpc, result: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": call.id, "result": result})
