"""The routes of A2A: cards for anybody, and the endpoint of JSON-RPC for callers with a token."""

from aiohttp import web

from bot.errors import Refused
from bot.protocols.a2a import cards, legacy, sending
from bot.protocols.a2a.errors import RpcError
from webhooks.addresses import ADDRESSES
from webhooks.late_handlers import late
from webhooks.oauth.metadata import FOR_PAGES, let_pages_ask

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
    router.add_post(cards.ENDPOINT, late("a2a.rpc.rpc"))


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
