"""`/` and `/sign-in`: the way to the pages of an account."""

from aiohttp import web

from webhooks import health
from webhooks.login import LOGIN, is_local, login_address
from webhooks.page import answers, rendering
from webhooks.page.visit import ACCOUNTS, sign_in_address, visitor_of


async def front(request: web.Request) -> web.Response:
    """A browser gets to the page of its account; another program gets the list of addresses."""
    if "text/html" not in request.headers.get("Accept", ""):
        return await health.about(request)
    visitor = await visitor_of(request)
    if visitor is None:
        return answers.see_other(sign_in_address(request))
    if len(visitor.accounts) == 1:
        (only,) = visitor.accounts
        return answers.see_other(f"{_prefix(request)}{ACCOUNTS}/{only}")
    values = {"visitor": visitor, "accounts": sorted(visitor.accounts, key=str.casefold)}
    return answers.html(rendering.render(request, "accounts.html", values))


async def sign_in(request: web.Request) -> web.Response:
    """How to sign in: with GitHub, or by a link that the operator of the server makes."""
    wanted = request.query.get("return_to", "")
    return_to = wanted if is_local(wanted) else _prefix(request) + "/"
    if await visitor_of(request) is not None:
        return answers.see_other(return_to)
    has_login = request.app[LOGIN].app is not None
    values = {"login": login_address(request, return_to) if has_login else ""}
    return answers.html(rendering.render(request, "sign_in.html", values))


def _prefix(request: web.Request) -> str:
    return sign_in_address(request).partition("/sign-in")[0]
