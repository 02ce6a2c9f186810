"""The public keys of an OpenID Connect issuer: fetched, and cached.

Anybody can send a token that names an unknown key. So Hubbub asks for the keys again at most once
in a while, however many such tokens arrive.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from yarl import URL

from bot.github.proxies import proxy_for
from bot.redaction import redact
from bot.times import SECOND

log = structlog.get_logger()

# Seconds that an answer may take, and the bytes that it may have.
TIME_OUT = 5
LONGEST = 64 * 1024
MOST_KEYS = 32
SHORTEST_KEY, LONGEST_KEY = 2048, 8192
# Between two attempts to fetch the keys.
PAUSE = 20 * SECOND
# Older keys are fetched again.
FRESH = 3600 * SECOND
# If the issuer cannot be reached, its keys are used for so long.
OLDEST = 24 * FRESH


class WrongAnswer(Exception):
    """The issuer's answer cannot be used. The text says why."""


class NoKeys(Exception):
    """The issuer cannot be reached, and no keys of it are known."""


class IssuerKeys:
    """`now` returns microseconds UTC."""

    def __init__(self, session: aiohttp.ClientSession, issuer: str, now: Callable[[], int]) -> None:
        self._session = session
        self._issuer = issuer
        self._now = now
        self._keys: dict[str, RSAPublicKey] = {}
        self._fetched_at: int | None = None
        self._tried_at: int | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def having(self, key_id: str) -> Mapping[str, RSAPublicKey]:
        """The keys, after one look at the issuer if none has this id. Raise NoKeys."""
        if self._age(self._fetched_at) >= FRESH or key_id not in self._usable():
            self._begin_to_fetch()
        if key_id not in self._usable() and self._fetching is not None:
            # The fetch is for all who wait, so it goes on when one of them leaves.
            await asyncio.shield(self._fetching)
        if not self._usable():
            raise NoKeys
        return self._usable()

    def _usable(self) -> Mapping[str, RSAPublicKey]:
        return self._keys if self._age(self._fetched_at) < OLDEST else {}

    def _age(self, at: int | None) -> float:
        return float("inf") if at is None else self._now() - at

    def _begin_to_fetch(self) -> None:
        if self._fetching is None and self._age(self._tried_at) >= PAUSE:
            self._tried_at = self._now()
            self._fetching = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(TIME_OUT):
                self._keys = parse_keys(await self._get(await self._address()))
            self._fetched_at = self._now()
        except (WrongAnswer, aiohttp.ClientError, OSError, TimeoutError) as exc:
            why = redact(f"{type(exc).__name__} {exc}".strip())
            log.warning("no keys of GitHub Actions", issuer=self._issuer, error=why)
        finally:
            self._fetching = None

    async def _address(self) -> URL:
        issuer = URL(self._issuer)
        found = await self._get(issuer / ".well-known" / "openid-configuration")
        return address_of_keys(found, issuer)

    async def _get(self, url: URL) -> Any:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        asked = self._session.get(url, headers=headers, allow_redirects=False)
        async with asked as response:
            if response.status != 200:
                raise WrongAnswer(f"{url} answered {response.status}")
            return _json(await _read(response))

    async def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])


@asynccontextmanager
async def open_keys(issuer: str, now: Callable[[], int]) -> AsyncIterator[IssuerKeys]:
    # Without decompression a small answer cannot become a large one.
    session = aiohttp.ClientSession(proxy=proxy_for(issuer), auto_decompress=False)
    async with session:
        keys = IssuerKeys(session, issuer, now)
        yield keys
        await keys.close()


async def _read(response: aiohttp.ClientResponse) -> bytes:
    found = bytearray()
    async for chunk in response.content.iter_any():
        found += chunk
        if len(found) > LONGEST:
            response.close()
            raise WrongAnswer(f"an answer has more than {LONGEST} bytes")
    return bytes(found)


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise WrongAnswer("an answer is not JSON") from exc


def address_of_keys(configuration: Any, issuer: URL) -> URL:
    """The address of the keys in the discovery document. Raise WrongAnswer."""
    match configuration:
        case {"issuer": str(named), "jwks_uri": str(address)} if named == str(issuer):
            pass
        case _:
            raise WrongAnswer("the configuration is not that of the issuer")
    try:
        found = URL(address)
        if found.origin() == issuer.origin() and found.user is None:
            return found
    except ValueError as exc:
        raise WrongAnswer("jwks_uri is not an address") from exc
    raise WrongAnswer("jwks_uri leads to another host than the issuer")


def parse_keys(document: Any) -> dict[str, RSAPublicKey]:
    """The keys that sign with RS256, by their ids. Raise WrongAnswer if there is none."""
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise WrongAnswer("an answer has no list of keys, or too long a list")
    found = {each["kid"]: key for each in listed if (key := _key(each)) is not None}
    if not found:
        raise WrongAnswer("an answer has no key for RS256")
    return found


def _key(listed: Any) -> RSAPublicKey | None:
    match listed:
        case {"kty": "RSA", "kid": str(kid), "n": str(), "e": str()} if kid:
            pass
        case _:
            return None
    if listed.get("use", "sig") != "sig" or listed.get("alg", "RS256") != "RS256":
        return None
    try:
        # Only these: PyJWT would take the parts of a private key too.
        key = jwt.PyJWK({each: listed[each] for each in ("kty", "n", "e")}, "RS256").key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    fits = isinstance(key, RSAPublicKey) and SHORTEST_KEY <= key.key_size <= LONGEST_KEY
    return key if fits else None
