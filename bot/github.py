"""The boundary with GitHub: one request, one answer, and nothing decided here.

gidgethub speaks the protocol; its exceptions are put aside, because the caller tells done from
refused, limited and unknown by status, headers and message.
"""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import gidgethub
from cachetools import TLRUCache
from gidgethub import aiohttp as gidgethub_aiohttp
from jwt import encode

from bot.payloads import at, text, time
from bot.times import SECOND

API_VERSION = "2026-03-10"
USER_AGENT = "hubbub"
# Seconds, for the whole of a request.
REQUEST_TIMEOUT = 10
CONNECT_TIMEOUT = 5
# A token is not used in its last minutes: a request under way must not outlive it.
TOKEN_MARGIN = 120 * SECOND
SECRETS = re.compile(r"gh[a-z]_[A-Za-z0-9_.\-]+|eyJ[A-Za-z0-9_.\-]+")
REDIRECTS = (301, 302, 307, 308)


class Unreachable(Exception):
    """Surely nothing was sent."""


class OutcomeUnknown(Exception):
    """It was sent, or may have been, and no answer came."""


class TokenRefused(Exception):
    """GitHub gives this installation no token: it is gone, suspended, or the App's key is wrong."""


@dataclass(frozen=True)
class Answer:
    """What GitHub said, whatever the status. `data`: its JSON, or None."""

    status: int
    headers: Mapping[str, str]
    data: Any


@dataclass(frozen=True)
class Token:
    value: str
    until: int


class Connection(gidgethub_aiohttp.GitHubAPI):
    """For one request: keeps the raw answer that gidgethub makes an exception of."""

    answer: Answer | None = None

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = {**headers, "X-GitHub-Api-Version": API_VERSION}
        status, found, raw = await self._send(method, url, headers, body)
        if status in REDIRECTS and (location := found.get("Location")):
            # Of a renamed repository. The method stays: it must not become a GET.
            status, found, raw = await self._send(method, location, headers, body)
        self.answer = Answer(status, found, _decoded(raw))
        return status, found, raw

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        limit = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT, sock_connect=CONNECT_TIMEOUT)
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, timeout=limit, allow_redirects=False
            ) as response:
                return response.status, response.headers, await response.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
            raise Unreachable(redacted(str(exc))) from exc
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise OutcomeUnknown(redacted(f"{type(exc).__name__} {exc}".strip())) from exc


class GitHub:
    """Requests as the App's installations. `now`: microseconds UTC."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        api_url: str,
        app_id: str,
        private_key: str,
        now: Callable[[], int],
    ) -> None:
        self._session = session
        self._api_url = api_url
        self._app_id = app_id
        self._private_key = private_key
        self._now = now
        self._tokens: TLRUCache[int, Token] = TLRUCache(
            10_000, ttu=lambda _, token, __: token.until, timer=now
        )
        self._minting: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def request(
        self, installation_id: int, method: str, path: str, body: Any = None
    ) -> Answer:
        """Answer whatever the status. Raise Unreachable, OutcomeUnknown or TokenRefused."""
        token = await self._token(installation_id)
        answer = await self._call(method, path, body, oauth_token=token)
        if answer.status == 401:
            # Revoked, or minted a moment ago and not known everywhere yet. Nothing was done.
            self._tokens.pop(installation_id, None)
            token = await self._token(installation_id)
            answer = await self._call(method, path, body, oauth_token=token)
        return answer

    async def app_request(self, method: str, path: str, body: Any = None) -> Answer:
        """As the App itself."""
        return await self._call(method, path, body, jwt=self._jwt())

    async def _token(self, installation_id: int) -> str:
        async with self._minting[installation_id]:
            if token := self._tokens.get(installation_id):
                return token.value
            path = f"/app/installations/{installation_id}/access_tokens"
            try:
                answer = await self.app_request("POST", path, {})
            except OutcomeUnknown as exc:
                # A token that nobody got does no harm: the request itself was not sent.
                raise Unreachable(str(exc)) from exc
            if answer.status >= 500:
                raise Unreachable(f"no token: GitHub answered {answer.status}")
            if answer.status != 201:
                raise TokenRefused(f"{answer.status} {text(at(answer.data, 'message'))}")
            until = time(at(answer.data, "expires_at")) - TOKEN_MARGIN
            made = Token(text(at(answer.data, "token")), until)
            self._tokens[installation_id] = made
            return made.value

    async def _call(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        oauth_token: str | None = None,
        jwt: str | None = None,
    ) -> Answer:
        connection = Connection(self._session, USER_AGENT, base_url=self._api_url)
        data = b"" if body is None else body
        try:
            match method:
                case "GET":
                    await connection.getitem(path, oauth_token=oauth_token, jwt=jwt)
                case "POST":
                    await connection.post(path, data=data, oauth_token=oauth_token, jwt=jwt)
                case "PATCH":
                    await connection.patch(path, data=data, oauth_token=oauth_token, jwt=jwt)
                case "PUT":
                    await connection.put(path, data=data, oauth_token=oauth_token, jwt=jwt)
                case "DELETE":
                    await connection.delete(path, data=data, oauth_token=oauth_token, jwt=jwt)
                case _:
                    raise AssertionError(method)
        except (gidgethub.GitHubException, ValueError):
            # ValueError: gidgethub knows no such status, or the body is no JSON.
            if connection.answer is None:
                raise
        assert connection.answer is not None
        return connection.answer

    def _jwt(self) -> str:
        now = self._now() // SECOND
        claims = {"iat": now - 60, "exp": now + 540, "iss": self._app_id}
        return encode(claims, self._private_key, algorithm="RS256")


def redacted(told: str) -> str:
    return SECRETS.sub("…", told)


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return None
