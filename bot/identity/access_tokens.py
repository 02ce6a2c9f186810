"""Access tokens: short JWTs that are checked in memory. RFC 9068 gives their form."""

import secrets
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import jwt

from bot.errors import Refused
from bot.identity.actors import ROLES, Actor
from bot.identity.credentials import Grant
from bot.identity.keyring import Broken, Keys
from bot.times import SECOND

ALGORITHM = "HS256"
TYPE = "at+jwt"
PURPOSE = "access tokens"
# How long an access token lasts. A session gets the next one with its refresh token.
ACCESS_S = 900
# How far the clocks of two processes may differ.
LEEWAY_S = 5
REQUIRED = ["iss", "aud", "sub", "iat", "exp", "jti"]


def encode(keys: Keys, grant: Grant, session: str, *, audience: str, now: int) -> str:
    """An access token of the session. `now`: microseconds UTC. `audience`: this server."""
    began = now // SECOND
    claims = {
        "iss": audience,
        "aud": audience,
        "sub": grant.actor,
        "iat": began,
        "exp": began + ACCESS_S,
        "jti": secrets.token_hex(8),
        "sid": session,
        "ins": grant.installation_id,
        "role": grant.role,
    }
    if grant.repositories is not None:
        claims["repos"] = sorted(grant.repositories)
    return jwt.encode(claims, keys.derive(PURPOSE), ALGORITHM, {"typ": TYPE, "kid": keys.id})


def header_of(token: str) -> dict[str, Any]:
    """The header of a JWT, which nobody has checked. Empty if it is no JWT."""
    if token.count(".") != 2:
        return {}
    try:
        return jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        return {}


def decode(keys: Keys, token: str, audiences: Collection[str], now: int) -> tuple[Actor, int]:
    """The actor of an access token, and when it expires in microseconds. Raise Refused."""
    header = header_of(token)
    try:
        secret = keys.under(str(header.get("kid")))
        claims = jwt.decode(
            token,
            secret.derive(PURPOSE),
            algorithms=[ALGORITHM],
            audience=list(audiences),
            # The time is checked below, against the clock that all processes share.
            options={"require": REQUIRED, "verify_exp": False, "verify_iat": False},
        )
        until = _expiry(claims, now)
        return replace(_actor(header, claims), until=until), until
    except (Broken, jwt.InvalidTokenError, KeyError, TypeError, ValueError) as exc:
        raise invalid(exc) from exc


def invalid(exc: Exception) -> Refused:
    if isinstance(exc, jwt.ExpiredSignatureError):
        why = "This access token has expired. Get a new one with the refresh token."
    elif isinstance(exc, jwt.InvalidAudienceError):
        why = "This access token is for another server. Log in to this one."
    else:
        why = "This access token is not valid. Log in again, or send an agent's token."
    return Refused("unauthenticated", why)


def _actor(header: dict[str, Any], claims: dict[str, Any]) -> Actor:
    role, repositories = claims["role"], claims.get("repos")
    if header.get("typ") != TYPE or role not in ROLES:
        raise ValueError("not an access token")
    return Actor(
        int(claims["ins"]),
        claims["sub"],
        role,
        None if repositories is None else frozenset(map(int, repositories)),
        credential=claims["sid"],
    )


def _expiry(claims: dict[str, Any], now: int) -> int:
    began, ends = int(claims["iat"]) * SECOND, int(claims["exp"]) * SECOND
    leeway = LEEWAY_S * SECOND
    if ends <= now - leeway:
        raise jwt.ExpiredSignatureError("expired")
    if began > now + leeway or ends - began > ACCESS_S * SECOND:
        raise ValueError("issued in the future, or for too long")
    return ends + leeway
