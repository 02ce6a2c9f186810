"""`/login`, `/login/callback` and `/logout`: people log in with GitHub, in a browser.

The login that is under way is kept in a sealed cookie, so that any process can end it and no other
browser can. https://datatracker.ietf.org/doc/html/rfc9700 has the attacks that this withstands.
"""

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypedDict
from urllib.parse import urlencode, urlsplit

import structlog
from aiohttp import web

from bot.github import sign_in
from bot.github.requests import Unreachable
from bot.github.sign_in import SignInRefused
from bot.identity.keyring import Broken, Keys
from bot.identity.people import browser_sessions, github_login
from bot.identity.people.browser_sessions import SignedIn
from bot.identity.people.github_login import Person
from bot.identity.people.people_roles import LONGEST_S, REREAD_AFTER_S
from bot.settings import GitHubLogin
from bot.times import SECOND
from store.engine.transaction import Store, Tx
from webhooks import login_pages
from webhooks.addresses import ADDRESSES
from webhooks.client_address import PROXIES
from webhooks.origins import record_refusal, write
from webhooks.request_limits import Limit

log = structlog.get_logger()

PURPOSE = "logins under way"
# How long a person may take to log in at GitHub, in seconds.
UNDER_WAY_S = 600
# Characters of `return_to`: the address of an OAuth client's request is the longest.
LONGEST_RETURN = 3000


# Logins of one address within a minute. Each of them costs requests to GitHub.
MOST_ATTEMPTS = 30


class UnderWay(TypedDict):
    """A login that a browser has begun."""

    state: str
    verifier: str
    return_to: str
    expires_at: int


@dataclass(frozen=True)
class Login:
    """`app`: None if the App has no client secret. `client_id` may raise Unreachable."""

    app: GitHubLogin | None
    store: Store
    keys: Keys
    client_id: Callable[[], Awaitable[str]]
    attempts: Limit = field(default_factory=lambda: Limit(MOST_ATTEMPTS))


def is_secure(request: web.Request) -> bool:
    return request.app[ADDRESSES].base(request).startswith("https:")


def cookie_name(request: web.Request, name: str) -> str:
    """With `__Host-` no other host or path can set the cookie."""
    return f"__Host-{name}" if is_secure(request) else name


def callback_of(request: web.Request) -> str:
    return f"{request.app[ADDRESSES].base(request)}/login/callback"


LOGIN = web.AppKey("login", Login)
SESSION, STARTED = "hubbub_session", "hubbub_login"


def add_routes(app: web.Application, login: Login) -> None:
    app[LOGIN] = login
    app.router.add_get("/login", start)
    app.router.add_get("/login/callback", finish)
    app.router.add_post("/logout", end)


async def signed_in(request: web.Request) -> SignedIn | None:
    """The person who is logged in in this browser, with the roles that they have now."""
    login = request.app[LOGIN]
    cookie = request.cookies.get(cookie_name(request, SESSION), "")
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


async def start(request: web.Request) -> web.Response:
    login = request.app[LOGIN]
    wanted = request.query.get("return_to", "")
    return_to = wanted if is_local(wanted) else ""
    if login.app is None:
        return login_pages.switched_off()
    if (person := await signed_in(request)) is not None:
        if return_to:
            raise web.HTTPSeeOther(return_to)
        return login_pages.welcome(person)
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
    response = web.Response(status=303)
    response.headers["Location"] = sign_in.authorize_url(
        login.app, client_id, callback_of(request), under_way["state"], under_way["verifier"]
    )
    sealed = seal(login.keys, under_way)
    _set_cookie(request, response, STARTED, sealed, UNDER_WAY_S)
    return login_pages.protect(response)


async def finish(request: web.Request) -> web.Response:
    """GitHub sent the person back with a code, or with what went wrong."""
    login = request.app[LOGIN]
    if login.app is None:
        return login_pages.switched_off()
    sealed = request.cookies.get(cookie_name(request, STARTED), "")
    under_way = unseal(login.keys, sealed, await _now(login))
    state = request.query.get("state", "")
    if under_way is None or not hmac.compare_digest(under_way["state"].encode(), state.encode()):
        return login_pages.not_begun_here()
    login.attempts.count(request.app[PROXIES].client(request))
    response = await _answer(request, login.app, under_way)
    # A login that has ended cannot be ended again.
    _drop_cookie(request, response, STARTED)
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
    name = cookie_name(request, SESSION)
    cookie = request.cookies.get(name, "")
    await write(
        request, login.store, lambda tx: browser_sessions.end(tx, login.keys, cookie), "page"
    )
    response = login_pages.goodbye()
    _drop_cookie(request, response, SESSION)
    return response


async def _identify(request: web.Request, app: GitHubLogin, verifier: str) -> Person:
    """Raise Unreachable or SignInRefused."""
    login = request.app[LOGIN]
    async with sign_in.open_sign_in(app, await login.client_id()) as github:
        token = await github.token_for_code(
            request.query.get("code", ""), verifier, callback_of(request)
        )
        return await github_login.identify(github, token)


async def _log_in(request: web.Request, person: Person, return_to: str) -> web.Response:
    """A new cookie, whatever the browser had before: nobody can choose it for somebody else."""
    login = request.app[LOGIN]
    before = request.cookies.get(cookie_name(request, SESSION), "")

    async def work(tx: Tx) -> str:
        await browser_sessions.end(tx, login.keys, before)
        await github_login.remember(tx, person)
        return await browser_sessions.start(tx, login.keys, person)

    cookie = await write(request, login.store, work, "page", f"@{person.login}")
    response = web.Response(status=303, headers={"Location": return_to or login_address(request)})
    _set_cookie(request, response, SESSION, cookie, LONGEST_S)
    return login_pages.protect(response)


def _away(exc: Unreachable) -> web.Response:
    log.warning("login: GitHub away", error=str(exc))
    return login_pages.github_away()


def is_local(address: str) -> bool:
    """Whether an address leads to this server, however a browser reads it."""
    parts = urlsplit(address) if len(address) <= LONGEST_RETURN and address.isprintable() else None
    return (
        parts is not None
        and not (parts.scheme or parts.netloc)
        and address.startswith("/")
        and not address.startswith(("//", "/\\"))
    )


def seal(keys: Keys, under_way: UnderWay) -> str:
    sealed = keys.seal(PURPOSE, keys.id, json.dumps(under_way).encode())
    return f"{keys.id}.{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}"


def unseal(keys: Keys, cookie: str, now: int) -> UnderWay | None:
    """The login that the cookie has begun, unless it is too old or not ours."""
    key_id, _, content = cookie.partition(".")
    try:
        sealed = base64.urlsafe_b64decode(content + "=" * (-len(content) % 4))
        found: UnderWay = json.loads(keys.under(key_id).open(PURPOSE, key_id, sealed))
    except (Broken, binascii.Error, ValueError):
        return None
    return found if found["expires_at"] > now else None


async def _now(login: Login) -> int:
    return await login.store.read(lambda tx: tx.now())


def _set_cookie(
    request: web.Request, response: web.Response, name: str, value: str, lasts_s: int
) -> None:
    response.set_cookie(
        cookie_name(request, name),
        value,
        max_age=lasts_s,
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="Lax",
    )


def _drop_cookie(request: web.Request, response: web.Response, name: str) -> None:
    _set_cookie(request, response, name, "", 0)
