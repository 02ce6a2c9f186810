"""`/oauth/token` and `/oauth/revoke`: a client gets tokens, renews them, and ends its session."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeAlias

import structlog
from aiohttp import web

from bot.errors import Refused
from bot.github.sign_in import DEVICE_GRANT
from bot.identity import access_tokens, sessions
from bot.identity.oauth import authorization_codes
from bot.identity.oauth.authorization import Fields, OAuthError, check_resource, need, one
from bot.identity.sessions import Issued
from bot.runs.actions_tokens import CLIENT
from store.engine.transaction import Tx
from store.identity import credentials as rows
from webhooks.addresses import ADDRESSES
from webhooks.app_keys import DISPATCHER
from webhooks.client_address import PROXIES
from webhooks.oauth import actions, device
from webhooks.oauth.forms import read_form
from webhooks.oauth.metadata import EXCHANGE, FOR_PAGES, SCOPE
from webhooks.oauth.server import OAUTH
from webhooks.origins import origin_of, write

log = structlog.get_logger()

HEADERS = {"Cache-Control": "no-store", "Pragma": "no-cache", **FOR_PAGES}
# Why a code or a refresh token was refused, for the client's developer.
WHY: dict[str, str] = {
    "unknown": "It is not known.",
    "expired": "The code has expired. Start the login again.",
    "ended": "The session has ended. Start the login again.",
    "reused": "It was used before, so its session was ended. Start the login again.",
    "not_granted": "The person who connected the agent no longer has its role on GitHub.",
    "wrong_client": "It was given to another client, or for another redirect_uri.",
    "wrong_proof": "code_verifier does not match the code_challenge.",
}
Flow: TypeAlias = Callable[[web.Request, Fields, str], Awaitable[Issued]]


async def token(request: web.Request) -> web.Response:
    try:
        fields = await _read(request)
        flow = _flow(need(fields, "grant_type"))
        check_resource(fields, request.app[ADDRESSES].resources(request))
        issued = await flow(request, fields, _client_id(fields))
    except OAuthError as exc:
        await _record(request, exc)
        return _error(exc)
    return web.json_response(_answer(issued), headers=HEADERS)


async def _record(request: web.Request, exc: OAuthError) -> None:
    """Nobody knows who sends a token or code that is refused, so it counts as a stranger's."""
    refused = Refused("unauthenticated", exc.description)
    refusals = request.app[DISPATCHER].refusals
    await refusals.record_stranger("oauth", refused, origin_of(request, "oauth"))


async def authorize_device(request: web.Request) -> web.Response:
    """RFC 8628: the codes for a login on the command line."""
    request.app[OAUTH].devices.count(request.app[PROXIES].limit_key(request))
    try:
        codes = await device.start(request, await _read(request))
    except OAuthError as exc:
        return _error(exc)
    return web.json_response(codes, headers=HEADERS)


async def revoke(request: web.Request) -> web.Response:
    """RFC 7009: the client does not want the token any more. Its session ends."""
    try:
        fields = await _read(request)
        given, client_id = need(fields, "token"), need(fields, "client_id")
    except OAuthError as exc:
        return _error(exc)
    store = request.app[OAUTH].store
    await write(request, store, lambda tx: _end(request, tx, given, client_id), "oauth")
    return web.Response(headers=HEADERS)


async def _read(request: web.Request) -> Fields:
    """Raise OAuthError, or Refused if there are too many requests."""
    request.app[OAUTH].tokens.count(request.app[PROXIES].limit_key(request))
    if "Authorization" in request.headers:
        raise OAuthError("invalid_client", "Clients have no secret here. Send client_id alone.")
    return await read_form(request)


def _answer(issued: Issued) -> dict[str, Any]:
    return {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "refresh_token": issued.refresh_token,
        "scope": SCOPE,
        **actions.extra_fields(issued),
    }


def _error(exc: OAuthError) -> web.Response:
    body = {"error": exc.code, "error_description": exc.description}
    # RFC 6749, 5.2: 401 for a client that tried to authenticate by a header.
    status, headers = (400, {})
    if exc.code == "invalid_client":
        status, headers = 401, {"WWW-Authenticate": 'Basic realm="hubbub"'}
    return web.json_response(body, status=status, headers=HEADERS | headers)


async def _by_code(request: web.Request, fields: Fields, client_id: str) -> Issued:
    """Raise OAuthError."""
    code, verifier = need(fields, "code"), need(fields, "code_verifier")
    redirect_uri, oauth = need(fields, "redirect_uri"), request.app[OAUTH]

    async def work(tx: Tx) -> Issued | authorization_codes.NoCode:
        return await authorization_codes.exchange(
            tx,
            oauth.keys,
            code,
            client_id=client_id,
            redirect_uri=redirect_uri,
            verifier=verifier,
            audience=request.app[ADDRESSES].audience,
        )

    return _tokens_or_error(await write(request, oauth.store, work, "oauth"), client_id)


async def _by_refresh_token(request: web.Request, fields: Fields, client_id: str) -> Issued:
    """Raise OAuthError."""
    given, oauth = need(fields, "refresh_token"), request.app[OAUTH]
    audience = request.app[ADDRESSES].audience

    async def work(tx: Tx) -> Issued | sessions.NoSession:
        return await sessions.refresh(
            tx,
            oauth.keys,
            given,
            audience=audience,
            client=client_id,
            repeat_s=oauth.repeat_s,
        )

    return _tokens_or_error(await write(request, oauth.store, work, "oauth"), client_id)


FLOWS: dict[str, Flow] = {
    "authorization_code": _by_code,
    "refresh_token": _by_refresh_token,
    EXCHANGE: actions.exchange,
    DEVICE_GRANT: device.by_device_code,
}


def _client_id(fields: Fields) -> str:
    """A job need not say what it is: its token does. Raise OAuthError."""
    return CLIENT if one(fields, "grant_type") == EXCHANGE else need(fields, "client_id")


def _flow(grant_type: str) -> Flow:
    """Raise OAuthError."""
    if (flow := FLOWS.get(grant_type)) is None:
        raise OAuthError("unsupported_grant_type", f"grant_type is one of {', '.join(FLOWS)}.")
    return flow


def _tokens_or_error(answer: Issued | str, client_id: str) -> Issued:
    """Raise OAuthError. What was changed meanwhile, as the end of a session, stays so."""
    if isinstance(answer, Issued):
        return answer
    log.info("oauth refused", reason=answer, client=client_id[:100])
    raise OAuthError("invalid_grant", WHY[answer])


async def _end(request: web.Request, tx: Tx, given: str, client_id: str) -> None:
    """End the session of a refresh or access token, if it is this client's."""
    session = await _session(request, tx, given)
    row = await rows.get(tx, session) if session else None
    if row is not None and row["kind"] == "session" and row["client"] == client_id:
        tx.origin = replace(tx.origin, actor=row["actor"], credential=row["id"])
        await rows.revoke(tx, row["id"])


async def _session(request: web.Request, tx: Tx, given: str) -> str:
    """The session of a token, or an empty text."""
    keys, audience = request.app[OAUTH].keys, request.app[ADDRESSES].audience
    if access_tokens.header_of(given):
        try:
            return access_tokens.decode(keys, given, [audience], await tx.now())[0].credential
        except Refused:
            return ""
    found = await sessions.find(tx, keys, given)
    return found["id"] if found else ""
