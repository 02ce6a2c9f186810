"""Access tokens by OAuth's grant `client_credentials`: requested once, and kept until they end."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import orjson
from cachetools import LRUCache

from bot.public_internet import read_body
from bot.tool_servers.connections import ServerSpec, Unavailable
from bot.tool_servers.network import ERRORS, Network, reason

TIMEOUT_S = 15.0
MOST_READ = 65_536
# Without `expires_in`, and how long before its end a token is not used any more.
LASTS_S, BEFORE_S = 300.0, 30.0
MOST_KEPT = 1000
Key: TypeAlias = tuple[int, str, int]


class AccessTokens:
    def __init__(self, network: Network, clock: Callable[[], float] = time.monotonic) -> None:
        self._network = network
        self._clock = clock
        self._kept: LRUCache[Key, tuple[str, float]] = LRUCache(MOST_KEPT)
        self._locks: LRUCache[Key, asyncio.Lock] = LRUCache(MOST_KEPT)

    async def headers(self, spec: ServerSpec) -> dict[str, str]:
        """The header for a request to this server; none without OAuth. Raise Unavailable."""
        if spec.oauth is None:
            return {}
        async with self._locks.setdefault(spec.key, asyncio.Lock()):
            token, until = self._kept.get(spec.key, ("", 0.0))
            if self._clock() >= until:
                token, lasts = await self._request(spec)
                self._kept[spec.key] = token, self._clock() + max(lasts - BEFORE_S, 1.0)
        return {"Authorization": f"Bearer {token}"}

    def forget(self, installation_id: int, server_id: str) -> None:
        """Forget the tokens of a server: it refused one, or its credential changed."""
        for key in [each for each in self._kept if each[:2] == (installation_id, server_id)]:
            del self._kept[key]
        for key in [each for each in self._locks if each[:2] == (installation_id, server_id)]:
            if not self._locks[key].locked():
                del self._locks[key]

    async def _request(self, spec: ServerSpec) -> tuple[str, float]:
        assert spec.oauth is not None
        given = spec.oauth
        fields = {
            "grant_type": "client_credentials",
            "client_id": given.client_id,
            "client_secret": given.client_secret,
        } | ({"scope": given.scope} if given.scope else {})
        headers = {"Accept": "application/json"}
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._network.open_session(given.token_url, headers) as session,
                session.post(given.token_url, data=fields, allow_redirects=False) as answer,
            ):
                body = await read_body(answer, MOST_READ)
                status = answer.status
        except TimeoutError as exc:
            raise Unavailable(
                "timeout", f"The server for access tokens did not answer within {TIMEOUT_S:g} s."
            ) from exc
        except ERRORS as exc:
            raise Unavailable(
                "unreachable", f"The server for access tokens was not reached: {reason(exc)}."
            ) from exc
        return _read(status, body)


def _read(status: int, body: bytes) -> tuple[str, float]:
    if len(body) > MOST_READ:
        raise Unavailable(
            "too_large",
            f"The server for access tokens answered with more than {MOST_READ} bytes. Check "
            "`token_url`.",
        )
    try:
        found: Any = orjson.loads(body)
    except ValueError:
        found = None
    token = found.get("access_token") if isinstance(found, dict) else None
    if 300 <= status < 400:
        raise Unavailable(
            "refused",
            f"The server for access tokens redirects (status {status}). Hubbub follows no "
            "redirects: change `token_url`.",
        )
    if status != 200 or not isinstance(token, str) or not token.isprintable():
        raise Unavailable(
            "unauthorized",
            f"The server for access tokens answered with status {status} and gave no token. Check "
            "the client id, the client secret and the scope.",
        )
    lasts = found.get("expires_in")
    return token, float(lasts) if isinstance(lasts, int | float) and lasts > 0 else LASTS_S
