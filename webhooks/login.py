"""`/login`, `/login/callback` and `/logout`: people log in with GitHub, in a browser.

The login that is under way is kept in a sealed cookie, so that any process can end it and no other
browser can. https://datatracker.ietf.org/doc/html/rfc9700 has the attacks that this withstands.
"""

import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

import structlog
from aiohttp import web

from bot.github import sign_in
from bot.github.requests import Unreachable
from bot.github.sign_in import SignInRefused
from bot.identity.keyring import Keys
from bot.identity.people import browser_sessions, github_login, visitors
from bot.identity.people.browser_sessions import SignedIn
from bot.identity.people.github_login import Person
from bot.identity.people.people_roles import LONGEST_S, REREAD_AFTER_S
from bot.settings import GitHubLogin
from bot.times import SECOND
from store.engine.transaction import Store, Tx
from webhooks import cookies, login_pages, logins_under_way
from webhooks.addresses import ADDRESSES
from webhooks.client_address import PROXIES
from webhooks.html_page import protect
from webhooks.logins_under_way import UNDER_WAY_S, UnderWay
from webhooks.origins import record_refusal, write
from webhooks.request_limits import Limit

log = structlog.get_logger()

# Characters of `return_to`: the address of an OAuth client's request is the longest.
LONGEST_RETURN = 2100
# Logins of one address within a minute. Each of them costs requests to GitHub.
MOST_ATTEMPTS = 30
# The cookie of somebody who is logged in.
SESSION = "hubbub_session"


@dataclass(frozen=True)
class Login:
    """`app`: None if the App has no client secret. `client_id` may raise Unreachable."""

    app: GitHubLogin | None
    store: Store
    keys: Keys
    client_id: Callable[[], Awaitable[str]]
    attempts: Limit = field(default_factory=lambda: Limit(MOST_ATTEMPTS))


LOGIN = web.AppKey("login", Login)


def add_routes(app: web.Application, login: Login) -> None:
    app[LOGIN] = login
    app.router.add_get("/login", start)
    app.router.add_get("/login/callback", finish)
    app.router.add_post("/logout", end)


async def signed_in(request: web.Request) -> SignedIn | None:
    """The person who is logged in in this browser, with the roles that they have now."""
    login = request.app[LOGIN]
    cookie = cookies.get(request, SESSION)
    if not cookie:
        return None

    async def find(tx: Tx) -> tuple[SignedIn | None, bool]:
        found = await browser_sessions.find(tx, login.keys, cookie)
        old = await tx.now() - REREAD_AFTER_S * SECOND
        return found, found is not None and found.confirmed_at < old

    found, is_old = await login.store.read(find)
    if found is not None and is_old:
        session = found.session
        await login.store.write(lambda tx: browser_sessions.refresh(tx, session))
    return found


def login_address(request: web.Request, return_to: str = "") -> str:
    """Where a browser goes to log in and come back to a path of this server."""
    path = f"{request.app[ADDRESSES].path_prefix()}/login"
    return f"{path}?{urlencode({'return_to': return_to})}" if return_to else path


def to_login(request: web.Request) -> web.HTTPSeeOther:
    """Send the browser to log in, and then to the page that it asked for."""
    here = request.app[ADDRESSES].path_prefix() + request.path_qs
    return web.HTTPSeeOther(login_address(request, here))


async def start(request: web.Request) -> web.Response:
    login = request.app[LOGIN]
    if login.app is None:
        return login_pages.switched_off()
    wanted = request.query.get("return_to", "")
    return_to = wanted if is_local(wanted) else ""
    if (person := await signed_in(request)) is None:
        return await _send_to_github(request, login.app, return_to)
    if return_to:
        raise web.HTTPSeeOther(return_to)
    return login_pages.welcome(person)


async def _send_to_github(request: web.Request, app: GitHubLogin, return_to: str) -> web.Response:
    login = request.app[LOGIN]
    try:
        client_id = await login.client_id()
    except Unreachable as exc:
        return _away(exc)
    under_way = UnderWay(
        state=secrets.token_urlsafe(24),
        verifier=secrets.token_urlsafe(48),
        return_to=return_to,
        expires_at=await _now(login) + UNDER_WAY_S * SECOND,
    )
    target = sign_in.authorize_url(
        app, client_id, _callback(request), under_way["state"], under_way["verifier"]
    )
    response = web.Response(status=303, headers={"Location": target})
    logins_under_way.put(request, response, login.keys, under_way)
    return protect(response)


async def finish(request: web.Request) -> web.Response:
    """GitHub sent the person back with a code, or with what went wrong."""
    login = request.app[LOGIN]
    if login.app is None:
        return login_pages.switched_off()
    state = request.query.get("state", "")
    under_way = logins_under_way.get(request, login.keys, state, await _now(login))
    if under_way is None or not hmac.compare_digest(under_way["state"].encode(), state.encode()):
        return login_pages.not_begun_here()
    login.attempts.count(request.app[PROXIES].limit_key(request))
    response = await _answer(request, login.app, under_way)
    # A login that has ended cannot be ended again.
    logins_under_way.drop(request, response, state)
    return response


async def _answer(request: web.Request, app: GitHubLogin, under_way: UnderWay) -> web.Response:
    if error := request.query.get("error"):
        return login_pages.refusal(is_denied=error == "access_denied")
    try:
        person = await _identify(request, app, under_way["verifier"])
    except SignInRefused as exc:
        log.info("login refused", error=exc.code)
        await record_refusal(request, "login", "page")
        return login_pages.refusal(is_denied=False)
    except Unreachable as exc:
        return _away(exc)
    if not person.access:
        await record_refusal(request, "login", "page")
        return login_pages.stranger(person.login)
    return await _log_in(request, person, under_way["return_to"])


async def end(request: web.Request) -> web.Response:
    """Log out. The cookie comes only from our own pages, because it is SameSite."""
    login = request.app[LOGIN]
    cookie = cookies.get(request, SESSION)
    # A stranger without a login starts no transaction that writes.
    who = await login.store.read(lambda tx: visitors.find(tx, login.keys, cookie))
    if who is not None:
        await write(
            request,
            login.store,
            lambda tx: browser_sessions.end(tx, login.keys, cookie),
            "page",
            who.name,
            who.session,
        )
    response = login_pages.goodbye()
    cookies.drop(request, response, SESSION)
    return response


async def _identify(request: web.Request, app: GitHubLogin, verifier: str) -> Person:
    """Raise Unreachable or SignInRefused."""
    login = request.app[LOGIN]
    async with sign_in.open_sign_in(app, await login.client_id()) as github:
        token = await github.token_for_code(
            request.query.get("code", ""), verifier, _callback(request)
        )
        return await github_login.identify(github, token)


async def _log_in(request: web.Request, person: Person, return_to: str) -> web.Response:
    """A new cookie, whatever the browser had before: nobody can choose it for somebody else.

    But if the person logged in in another tab just now, the form that is open there stays valid.
    """
    login = request.app[LOGIN]
    before = cookies.get(request, SESSION)

    async def work(tx: Tx) -> str:
        await github_login.remember(tx, person)
        if await browser_sessions.has_just_begun(tx, login.keys, before, person, UNDER_WAY_S):
            return before
        await browser_sessions.end(tx, login.keys, before)
        return await browser_sessions.start(tx, login.keys, person)

    cookie = await write(request, login.store, work, "page", f"@{person.login}")
    response = web.Response(status=303, headers={"Location": return_to or login_address(request)})
    cookies.put(request, response, SESSION, cookie, LONGEST_S)
    return protect(response)


def _callback(request: web.Request) -> str:
    return f"{request.app[ADDRESSES].base(request)}/login/callback"


def _away(exc: Unreachable) -> web.Response:
    log.warning("login: GitHub away", error=str(exc))
    return login_pages.github_away()


def is_local(address: str) -> bool:
    """Whether an address leads to this server, however a browser reads it."""
    if len(address) > LONGEST_RETURN or not address.isprintable():
        return False
    # Before the address is read: that fails for a wrong host, such as of //[.
    if not address.startswith("/") or address.startswith(("//", "/\\")):
        return False
    parts = urlsplit(address)
    return not (parts.scheme or parts.netloc)


async def _now(login: Login) -> int:
    return await login.store.read(lambda tx: tx.now())
