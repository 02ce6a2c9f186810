"""`/oauth/device_authorization` and its grant (RFC 8628): people log in on the command line.

The person enters the code at GitHub. Each question of the client whether they did is one of ours
to GitHub, which also says when the client asks too often.
"""

import structlog
from aiohttp import web

from bot.github import sign_in
from bot.github.requests import Unreachable
from bot.github.sign_in import DEVICE_GRANT, SignInRefused
from bot.identity.oauth.authorization import Fields, OAuthError, need, one
from bot.identity.people import device_logins, github_login
from bot.identity.people.device_logins import CLIENT
from bot.identity.people.github_login import Access, Person
from bot.identity.sessions import Issued
from bot.settings import GitHubLogin
from store.engine.transaction import Tx
from webhooks.addresses import ADDRESSES
from webhooks.login import LOGIN
from webhooks.origins import write

log = structlog.get_logger()

# The errors of GitHub that the client gets too, each with its description.
DEVICE_ERRORS = {
    "authorization_pending": "Nobody has entered the code yet.",
    "slow_down": "Ask five seconds later from now on.",
    "expired_token": "The code has expired. Start the login again.",
    "access_denied": "The login was denied on GitHub.",
}
NO_ANSWER = "GitHub does not answer. Ask again in a minute."


async def start(request: web.Request, fields: Fields) -> dict[str, object]:
    """The codes, as RFC 8628 words them. Raise OAuthError."""
    app = _check(request, need(fields, "client_id"))
    login = request.app[LOGIN]
    try:
        async with sign_in.open_sign_in(app, await login.client_id()) as github:
            device = await github.start_device()
    except Unreachable as exc:
        raise _away(exc) from exc
    except SignInRefused as exc:
        raise OAuthError("access_denied", _refusal(exc)) from exc
    now = await login.store.read(lambda tx: tx.now())
    return {
        "device_code": device_logins.seal(login.keys, device, now),
        "user_code": device.user_code,
        "verification_uri": device.verification_uri,
        "expires_in": device.expires_in,
        "interval": device.interval,
    }


async def by_device_code(request: web.Request, fields: Fields, client_id: str) -> Issued:
    """The session of the person who entered the code. Raise OAuthError until then."""
    app = _check(request, client_id)
    login = request.app[LOGIN]
    now = await login.store.read(lambda tx: tx.now())
    code = device_logins.unseal(login.keys, need(fields, "device_code"), now)
    if code is None:
        raise OAuthError("invalid_grant", "This device_code is not known.")
    if not code:
        raise OAuthError("expired_token", DEVICE_ERRORS["expired_token"])
    person = await _person(request, app, code)
    where = device_logins.choose(person, one(fields, "installation"))
    if not isinstance(where, Access):
        raise OAuthError("access_denied", device_logins.refusal(person, where))
    chosen, audience = where, request.app[ADDRESSES].audience

    async def work(tx: Tx) -> Issued:
        return await device_logins.start_session(tx, login.keys, person, chosen, audience=audience)

    return await write(request, login.store, work, "oauth")


async def _person(request: web.Request, app: GitHubLogin, code: str) -> Person:
    """Raise OAuthError."""
    login = request.app[LOGIN]
    try:
        async with sign_in.open_sign_in(app, await login.client_id()) as github:
            token = await github.token_for_device(code)
            return await github_login.identify(github, token)
    except Unreachable as exc:
        raise _away(exc) from exc
    except SignInRefused as exc:
        if exc.code in DEVICE_ERRORS:
            raise OAuthError(exc.code, DEVICE_ERRORS[exc.code]) from exc
        raise OAuthError("access_denied", _refusal(exc)) from exc


def _check(request: web.Request, client_id: str) -> GitHubLogin:
    """Raise OAuthError if the login is switched off, or the client is another."""
    login = request.app.get(LOGIN)
    if login is None or login.app is None:
        raise OAuthError(
            "unauthorized_client",
            "Login is switched off: the operator of this server must set "
            "HUBBUB_GITHUB_CLIENT_SECRET.",
        )
    if client_id != CLIENT:
        raise OAuthError("unauthorized_client", f"Only {CLIENT} may log in by {DEVICE_GRANT}.")
    return login.app


def _refusal(exc: SignInRefused) -> str:
    log.info("device login refused", error=exc.code)
    if exc.code == "device_flow_disabled":
        return "The operator of this server must tick Enable Device Flow in the App's settings."
    return "GitHub did not accept the login. Start it again."


def _away(exc: Unreachable) -> OAuthError:
    log.warning("device login: GitHub away", error=str(exc))
    return OAuthError("temporarily_unavailable", NO_ANSWER)
