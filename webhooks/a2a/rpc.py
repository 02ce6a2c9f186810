"""The endpoint of JSON-RPC for callers with a token."""

import json
from typing import Any

from aiohttp import web

from bot.errors import Refused, failure
from bot.protocols.a2a import errors, legacy, requests, sending
from bot.protocols.a2a.errors import RpcError
from bot.protocols.a2a.requests import Rpc
from webhooks.a2a.methods import METHODS, PUSH
from webhooks.a2a.session import Session
from webhooks.a2a.streams import STREAMED, respond
from webhooks.bodies import BODIES

# Texts of the largest task fit many times, and files come as addresses.
LARGEST = 2**20
VERSION = "A2A-Version"


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
