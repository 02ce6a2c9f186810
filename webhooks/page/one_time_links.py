"""`/link/SECRET`: `hubbub link` makes one, which opens the page once, in one browser."""

import re

from aiohttp import web

from bot.errors import Refused
from bot.identity.actors import OPERATOR
from bot.identity.people import operator_links
from bot.identity.people.people_roles import LONGEST_S
from store.engine.transaction import Tx
from webhooks import cookies
from webhooks.addresses import ADDRESSES
from webhooks.client_address import PROXIES
from webhooks.login import LOGIN, SESSION
from webhooks.origins import record_refusal, write
from webhooks.page import answers, rendering

FORM = re.compile(r"[A-Za-z0-9_-]{20,200}")


async def ask(request: web.Request) -> web.Response:
    """A button, because programs that follow links must not use the link up."""
    here, secret = request.app[LOGIN], request.match_info["secret"]
    if not FORM.fullmatch(secret):
        return _dead_link(request)
    is_open = await here.store.read(lambda tx: operator_links.is_open(tx, here.keys, secret))
    if not is_open:
        return _dead_link(request)
    return answers.html(rendering.render(request, "link.html", {}))


async def use(request: web.Request) -> web.Response:
    """Sign in as the operator."""
    here, secret = request.app[LOGIN], request.match_info["secret"]
    try:
        here.attempts.count(request.app[PROXIES].limit_key(request))
    except Refused as exc:
        values = {"title": "Too often", "text": exc.message, "code": exc.code}
        return answers.html(rendering.render(request, "problem.html", values), exc.status)

    async def work(tx: Tx) -> str | None:
        return await operator_links.use(tx, here.keys, secret)

    cookie = await write(request, here.store, work, "page", OPERATOR)
    if cookie is None:
        await record_refusal(request, "link", "page")
        return _dead_link(request)
    response = answers.see_other(request.app[ADDRESSES].path_prefix() + "/")
    cookies.put(request, response, SESSION, cookie, LONGEST_S)
    return response


def _dead_link(request: web.Request) -> web.Response:
    values = {
        "title": "This link does not work",
        "text": "It was used already, or it is older than ten minutes. Make another one with "
        "`hubbub link` on the server's machine.",
        "code": "unknown_link",
    }
    return answers.html(rendering.render(request, "problem.html", values), 404)
