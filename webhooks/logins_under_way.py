"""Logins that a browser has begun, in its cookies: encrypted, so that any process can end them.

Each has a cookie of its own, because people open several tabs at the same time.
"""

from typing import TypedDict

from aiohttp import web

from bot.identity import sealed_texts
from bot.identity.keyring import Keys
from webhooks import cookies

PURPOSE = "logins under way"
# How long a person may take to log in at GitHub, in seconds.
UNDER_WAY_S = 600
# Characters of the cookies of all logins that a browser has under way. The server accepts a header
# of 4,096 bytes.
LONGEST_STARTED = 3400
STARTED = "hubbub_login"


class UnderWay(TypedDict):
    """A login that a browser has begun."""

    state: str
    verifier: str
    return_to: str
    expires_at: int


def put(request: web.Request, response: web.Response, keys: Keys, under_way: UnderWay) -> None:
    """Keep it in a cookie. Those that began first make room."""
    sealed = sealed_texts.seal(keys, PURPOSE, under_way)
    cookies.put(request, response, _cookie_of(under_way["state"]), sealed, UNDER_WAY_S)
    _drop_oldest(request, response, keys, LONGEST_STARTED - len(sealed))


def get(request: web.Request, keys: Keys, state: str, now: int) -> UnderWay | None:
    """The login with this state, unless it is too old or began in another browser."""
    cookie = cookies.get(request, _cookie_of(state))
    found: UnderWay | None = sealed_texts.unseal(keys, PURPOSE, cookie)
    return found if found is not None and found["expires_at"] > now else None


def drop(request: web.Request, response: web.Response, state: str) -> None:
    cookies.drop(request, response, _cookie_of(state))


def _cookie_of(state: str) -> str:
    return f"{STARTED}_{state[:8]}"


def _drop_oldest(request: web.Request, response: web.Response, keys: Keys, room: int) -> None:
    """Forget the logins of this browser that began first, until the others have room."""
    started = cookies.starting_with(request, f"{STARTED}_")

    def began(name: str) -> int:
        found: UnderWay | None = sealed_texts.unseal(keys, PURPOSE, started[name])
        return found["expires_at"] if found is not None else 0

    for name in sorted(started, key=began, reverse=True):
        room -= len(name) + len(started[name])
        if room < 0:
            cookies.drop(request, response, name)
