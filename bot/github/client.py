"""The boundary with GitHub: one request, one answer. `bot.github.outcomes` says what it means.

Only gidgethub's part without sockets is used, because its exceptions for a status would hide
whether a request was done, refused, limited or has an unknown outcome.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from weakref import WeakValueDictionary

import aiohttp
from cachetools import LRUCache, TLRUCache
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from gidgethub import sansio
from jwt import encode
from multidict import CIMultiDict
from yarl import URL

from bot.github.outcomes import Meaning, classify
from bot.github.payloads import at, text, time
from bot.github.requests import Answer, OutcomeUnknown, TokenRefused, Unreachable
from bot.redaction import redacted
from bot.settings import GitHubApp
from bot.times import SECOND
from store.engine.database import system_clock

API_VERSION = "2026-03-10"
USER_AGENT = "hubbub"
# Seconds, for all that a request takes: its token, a redirect, a second try with a new token.
REQUEST_TIMEOUT = 10
CONNECT_TIMEOUT = 5
# A token is not used in its last minutes: a request under way must not outlive it.
TOKEN_MARGIN = 120 * SECOND
# Bytes of answers that are kept for their ETags: of one, and of all.
MOST_KEPT = 100_000
ALL_KEPT = 4_000_000
# An answer's headers and key, about.
OVERHEAD = 2_000
# Of a repository that was renamed or moved. The method stays: it must not become a GET.
MOVED = (301, 307, 308)
MOVED_TO_READ = (*MOVED, 302)
# Raised before a byte of the request went out.
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


@dataclass(frozen=True)
class Token:
    value: str = field(repr=False)
    until: int


class GitHub:
    """Requests as the App and its installations. `now`: microseconds UTC; `time_out`: seconds."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        api_url: str,
        app_id: str,
        private_key: str,
        now: Callable[[], int],
        time_out: float = REQUEST_TIMEOUT,
    ) -> None:
        self._session = session
        self._api_url = api_url.rstrip("/")
        self._app_id = app_id
        self._key = _rsa_key(private_key)
        self._now = now
        self.time_out = time_out
        self._tokens: TLRUCache[int, Token] = TLRUCache(
            10_000, ttu=lambda _, token, __: token.until, timer=now
        )
        self._kept: LRUCache[tuple[str, str], Answer] = LRUCache(
            ALL_KEPT, getsizeof=lambda answer: answer.size + OVERHEAD
        )
        self._minting: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    async def request(
        self, installation_id: int, method: str, path: str, body: Any = None
    ) -> Answer:
        """Answer whatever the status. Raise Unreachable, OutcomeUnknown or TokenRefused.

        `path` may also be a link of GitHub's, as that to the next page.
        """
        deadline = self._deadline()
        answer = await self._with_token(installation_id, deadline, method, path, body)
        if answer.status == 401:
            # Revoked, or minted a moment ago and not known everywhere yet. Nothing was done.
            answer = await self._with_token(installation_id, deadline, method, path, body)
        return answer

    async def app_request(self, method: str, path: str, body: Any = None) -> Answer:
        """As the App itself. Raise Unreachable or OutcomeUnknown."""
        return await self._as_app(self._deadline(), method, path, body)

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.time_out

    async def _with_token(
        self, installation_id: int, deadline: float, method: str, path: str, body: Any
    ) -> Answer:
        token = await self._token(installation_id, deadline)
        if isinstance(token, Answer):
            return token
        headers = sansio.create_headers(USER_AGENT, oauth_token=token.value)
        kept = self._kept.get((token.value, path)) if method == "GET" else None
        if kept is not None:
            headers["If-None-Match"] = kept.headers["ETag"]
        answer = await self._send(deadline, method, path, headers, body)
        if answer.status == 401 and self._tokens.get(installation_id) is token:
            del self._tokens[installation_id]
        if kept is not None and answer.status == 304:
            # It has the limits as they are now, and no body.
            headers_now = CIMultiDict(kept.headers)
            headers_now.update(answer.headers)
            return replace(kept, headers=headers_now)
        if method == "GET" and answer.status == 200 and "ETag" in answer.headers:
            self._keep(token, path, answer)
        return answer

    def _keep(self, token: Token, path: str, answer: Answer) -> None:
        """To be asked for again at no cost. Another token would be answered with another tag."""
        if answer.size <= MOST_KEPT:
            self._kept[token.value, path] = answer

    async def _as_app(self, deadline: float, method: str, path: str, body: Any) -> Answer:
        headers = sansio.create_headers(USER_AGENT, jwt=self._jwt())
        return await self._send(deadline, method, path, headers, body)

    # --- Tokens ----------------------------------------------------------------------------------

    async def _token(self, installation_id: int, deadline: float) -> Token | Answer:
        """A token, or the answer that told to wait for one: it is the request's answer too."""
        lock = self._minting.setdefault(installation_id, asyncio.Lock())
        try:
            async with asyncio.timeout_at(deadline), lock:
                if token := self._tokens.get(installation_id):
                    return token
                path = f"/app/installations/{installation_id}/access_tokens"
                answer = await self._as_app(deadline, "POST", path, {})
        except (OutcomeUnknown, TimeoutError) as exc:
            # A token that nobody got does no harm: the request itself was not sent.
            raise Unreachable(f"no token: {exc or 'it took too long'}") from exc
        made = _minted(answer)
        if isinstance(made, Token):
            self._tokens[installation_id] = made
        return made

    def _jwt(self) -> str:
        now = self._now() // SECOND
        claims = {"iat": now - 60, "exp": now + 540, "iss": self._app_id}
        return encode(claims, self._key, algorithm="RS256")

    # --- The wire --------------------------------------------------------------------------------

    async def _send(
        self, deadline: float, method: str, path: str, headers: Mapping[str, str], body: Any
    ) -> Answer:
        """Once; again only to where GitHub says that it belongs."""
        url = self._url(path)
        answer = await self._exchange(deadline, method, url, headers, body)
        if answer.status not in (MOVED_TO_READ if method == "GET" else MOVED):
            return answer
        target = self._target(url, answer.headers.get("Location", ""))
        return await self._exchange(deadline, method, target, headers, body) if target else answer

    async def _exchange(
        self, deadline: float, method: str, url: URL, headers: Mapping[str, str], body: Any
    ) -> Answer:
        sending = self._session.request(
            method,
            url,
            headers={**headers, "X-GitHub-Api-Version": API_VERSION},
            json=body,
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT),
            allow_redirects=False,
            middlewares=() if method == "GET" else (_once,),
        )
        try:
            async with asyncio.timeout_at(deadline), sending as response:
                raw = await response.read()
                return Answer(response.status, response.headers, _decoded(raw), len(raw))
        except NOT_SENT as exc:
            raise Unreachable(_told(exc)) from exc
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise OutcomeUnknown(_told(exc)) from exc

    def _url(self, path: str) -> URL:
        if path == "/graphql":
            # Of an Enterprise Server it stands beside REST's v3.
            return URL(self._api_url.removesuffix("/v3") + path)
        if path.startswith("/"):
            return URL(self._api_url + path)
        if found := self._target(URL(self._api_url), path):
            return found
        raise Unreachable("not sent: the link leads away from GitHub's API")

    def _target(self, here: URL, link: str) -> URL | None:
        """Where a link leads; None if elsewhere, for the token goes with the request."""
        try:
            url = here.join(URL(link))
            # A list that lost its filters on the way would be taken for all there is.
            url = url if url.query_string else url.with_query(here.query)
            return url if link and url.origin() == here.origin() else None
        except ValueError:
            return None


def as_app(session: aiohttp.ClientSession, app: GitHubApp) -> GitHub:
    return GitHub(
        session,
        api_url=app.api_url,
        app_id=app.id,
        private_key=app.private_key,
        now=system_clock,
        time_out=app.time_out_s,
    )


@cache
def _rsa_key(pem: str) -> RSAPrivateKey:
    """Parse and check a key once: it takes 30 times as long as to sign with it."""
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("A GitHub App's private key is an RSA key.")
    return key


async def _once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a PUT or DELETE again when a connection breaks."""
    try:
        return await send(request)
    except NOT_SENT:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise OutcomeUnknown(_told(exc)) from exc


def _minted(answer: Answer) -> Token | Answer:
    outcome = classify(answer)
    if outcome.meaning is Meaning.LIMITED:
        return answer
    if outcome.meaning is Meaning.UNKNOWN:
        raise Unreachable(f"no token: GitHub answered {answer.status}")
    if answer.status != 201:
        raise TokenRefused(answer.status, redacted(text(at(answer.data, "message"))))
    until = time(at(answer.data, "expires_at")) - TOKEN_MARGIN
    return Token(text(at(answer.data, "token")), until)


def _told(exc: BaseException) -> str:
    return redacted(f"{type(exc).__name__} {exc}".strip())


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return raw.decode(errors="replace")
