"""The HTTP client for GitHub's API: it sends one request and returns one answer.

`bot.github.outcomes` says what an answer means. The client uses only the part of gidgethub that
has no sockets, because gidgethub's exceptions for a status would hide whether a request was done,
refused, limited or has an unknown outcome.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any
from weakref import WeakValueDictionary

import aiohttp
import structlog
from cachetools import LRUCache, TLRUCache, TTLCache
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from gidgethub import sansio
from jwt import encode
from multidict import CIMultiDict
from yarl import URL

from bot.github import webhook_payloads
from bot.github.outcomes import Meaning, classify
from bot.github.payloads import at, text, time
from bot.github.proxies import proxy_for
from bot.github.rate_limits import http_date
from bot.github.requests import Answer, OutcomeUnknown, TokenRefused, Unreachable
from bot.redaction import redact
from bot.settings import GitHubApp
from bot.times import SECOND
from store.engine.database import system_clock

log = structlog.get_logger()

API_VERSION = "2026-03-10"
# Hubbub works with any version from this one on. GitHub Enterprise Server may know only this one.
OLDEST_API_VERSION = "2022-11-28"
UNSUPPORTED_VERSION = re.compile(
    r"\bnot a supported version\b|\bunsupported\b.*\bversion\b|\bversion\b.*\bnot supported\b",
    re.IGNORECASE,
)
NAMED_VERSION = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
USER_AGENT = "hubbub"
# Seconds for a request in all: getting its token, a redirect and a second try with a new token.
REQUEST_TIMEOUT = 10
CONNECT_TIMEOUT = 5
# Hubbub replaces a token this long before it expires, so that it does not expire during a request.
TOKEN_MARGIN = 120 * SECOND
# The ETag cache, in bytes: the largest answer that it keeps, and its size in all.
LARGEST_CACHED = 100_000
CACHE_SIZE = 4_000_000
# About what an answer's headers and its key take, in bytes.
OVERHEAD = 2_000
# An answer is at most this long, in bytes as decompressed. The longest that GitHub gives is a page
# of a hundred comments of 65,536 characters each.
LONGEST_ANSWER = 32 * 1024**2
# After GitHub refused a token Hubbub does not ask for it again for this long.
TOKEN_REFUSED_FOR = 30 * SECOND
# A smaller difference between GitHub's clock and ours is no reason for a refused JWT, in seconds.
SMALL_SKEW = 5
# GitHub redirects when a repository was renamed or moved. After these statuses a request keeps its
# method, so a write stays a write. After a 302 a client would send a GET.
MOVED = (301, 307, 308)
MOVED_TO_READ = (*MOVED, 302)
# aiohttp raises these before it has sent a byte of the request.
NOT_SENT = (
    aiohttp.ClientConnectorError,
    # The proxy opened no tunnel to GitHub.
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)


@dataclass(frozen=True)
class Token:
    value: str = field(repr=False)
    until: int


class GitHub:
    """Sends requests as the App and as its installations.

    `now` returns microseconds UTC. `time_out` is in seconds.
    """

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
        self._etag_cache: LRUCache[tuple[str, str], Answer] = LRUCache(
            CACHE_SIZE, getsizeof=lambda answer: answer.size + OVERHEAD
        )
        self._refusals: TTLCache[int, TokenRefused] = TTLCache(
            10_000, ttl=TOKEN_REFUSED_FOR, timer=now
        )
        # How many seconds GitHub's clock is ahead of ours, as far as it matters to a JWT.
        self._skew = 0
        self._token_locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._api_version = API_VERSION

    async def request(
        self, installation_id: int, method: str, path: str, body: Any = None
    ) -> Answer:
        """Send a request and return the answer, whatever its status.

        `path` may also be a link that GitHub gave, such as the link to the next page. Raise
        Unreachable, OutcomeUnknown or TokenRefused.
        """
        deadline = self._deadline()
        answer = await self._request_as_installation(installation_id, deadline, method, path, body)
        if answer.status == 401:
            # The token was revoked, or it is so new that not all of GitHub's servers know it yet.
            # GitHub did nothing, so it is safe to send the request again.
            answer = await self._request_as_installation(
                installation_id, deadline, method, path, body
            )
        return answer

    async def app_request(self, method: str, path: str, body: Any = None) -> Answer:
        """Send a request as the App itself. Raise Unreachable or OutcomeUnknown."""
        return await self._request_as_app(self._deadline(), method, path, body)

    def is_app(self, found: Any, owner: int) -> bool:
        """Whether an id that GitHub gave is that of the App `owner`, or of ours if that is 0.

        Our own may be configured as a client id, which says nothing about the number.
        """
        expected = owner or (int(self._app_id) if self._app_id.isdecimal() else found)
        return found is not None and bool(found == expected)

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.time_out

    async def _request_as_installation(
        self, installation_id: int, deadline: float, method: str, path: str, body: Any
    ) -> Answer:
        token = await self._get_token(installation_id, deadline)
        if isinstance(token, Answer):
            return token
        headers = sansio.create_headers(USER_AGENT, oauth_token=token.value)
        kept = self._etag_cache.get((token.value, path)) if method == "GET" else None
        if kept is not None:
            headers["If-None-Match"] = kept.headers["ETag"]
        answer = await self._send(deadline, method, path, headers, body)
        if answer.status == 401 and self._tokens.get(installation_id) is token:
            del self._tokens[installation_id]
        if kept is not None and answer.status == 304:
            # A 304 has the current rate limits in its headers, and no body.
            headers_now = CIMultiDict(kept.headers)
            headers_now.update(answer.headers)
            return replace(kept, headers=headers_now)
        if method == "GET" and answer.status == 200 and "ETag" in answer.headers:
            self._cache_answer(token, path, answer)
        return answer

    def _cache_answer(self, token: Token, path: str, answer: Answer) -> None:
        """Keep an answer: asking for it again with its ETag costs nothing of the rate limit.

        The token is part of the key, because GitHub's ETags differ from token to token.
        """
        if answer.size <= LARGEST_CACHED:
            self._etag_cache[token.value, path] = answer

    async def _request_as_app(self, deadline: float, method: str, path: str, body: Any) -> Answer:
        """Send a request with a JWT, and once more if it was refused because our clock is wrong."""
        answer = await self._send(deadline, method, path, self._app_headers(), body)
        if answer.status == 401 and self._adopt_clock(answer):
            answer = await self._send(deadline, method, path, self._app_headers(), body)
        return answer

    def _app_headers(self) -> Mapping[str, str]:
        return sansio.create_headers(USER_AGENT, jwt=self._jwt())

    def _adopt_clock(self, answer: Answer) -> bool:
        """Follow GitHub's clock, as its answer shows it. False if ours did not differ."""
        theirs = http_date(answer.headers.get("Date", ""))
        if theirs is None:
            return False
        before, self._skew = self._skew, (theirs - self._now()) // SECOND
        return abs(self._skew - before) > SMALL_SKEW

    async def _get_token(self, installation_id: int, deadline: float) -> Token | Answer:
        """A token from the cache or a new one, or the answer by which GitHub says wait.

        That answer is then the answer to the request too.
        """
        lock = self._token_locks.setdefault(installation_id, asyncio.Lock())
        try:
            async with asyncio.timeout_at(deadline), lock:
                if token := self._tokens.get(installation_id):
                    return token
                if refusal := self._refusals.get(installation_id):
                    raise TokenRefused(refusal.status, refusal.message)
                path = f"/app/installations/{installation_id}/access_tokens"
                answer = await self._request_as_app(deadline, "POST", path, {})
        except (OutcomeUnknown, TimeoutError) as exc:
            # GitHub may have created a token that Hubbub did not receive. That does no harm, and
            # the request itself was not sent.
            why = str(exc) or "the request for it took too long"
            raise Unreachable(f"no token: {why}") from exc
        try:
            result = self._token_in(answer)
        except TokenRefused as refusal:
            self._refusals[installation_id] = refusal
            raise
        if isinstance(result, Token):
            self._tokens[installation_id] = result
        return result

    def _token_in(self, answer: Answer) -> Token | Answer:
        """The token, or the answer if it says wait. Raise Unreachable or TokenRefused."""
        outcome = classify(answer, _has_token)
        if outcome.meaning is Meaning.LIMITED:
            return answer
        if outcome.meaning in (Meaning.UNKNOWN, Meaning.MALFORMED):
            raise Unreachable(f"no token: GitHub answered {answer.status}")
        if outcome.meaning is not Meaning.DONE:
            raise TokenRefused(answer.status, redact(text(at(answer.data, "message"))))
        ends_at = time(at(answer.data, "expires_at")) - self._skew * SECOND
        return Token(text(at(answer.data, "token")), ends_at - TOKEN_MARGIN)

    def _jwt(self) -> str:
        now = self._now() // SECOND + self._skew
        claims = {"iat": now - 60, "exp": now + 540, "iss": self._app_id}
        return encode(claims, self._key, algorithm="RS256")

    async def _send(
        self, deadline: float, method: str, path: str, headers: Mapping[str, str], body: Any
    ) -> Answer:
        """Send a request once, and follow one redirect."""
        url = self._url(path)
        version = self._api_version
        answer = await self._exchange(deadline, method, url, headers, body)
        other = supported_version(answer, version)
        if other is not None:
            # The server did nothing, so it is safe to send the request again.
            self._api_version = other
            answer = await self._exchange(deadline, method, url, headers, body)
        if answer.status not in (MOVED_TO_READ if method == "GET" else MOVED):
            return answer
        target = self._target(url, answer.headers.get("Location", ""))
        return await self._exchange(deadline, method, target, headers, body) if target else answer

    async def _exchange(
        self, deadline: float, method: str, url: URL, headers: Mapping[str, str], body: Any
    ) -> Answer:
        exchange = self._session.request(
            method,
            url,
            headers={**headers, "X-GitHub-Api-Version": self._api_version},
            json=body,
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT),
            allow_redirects=False,
            middlewares=() if method == "GET" else (_forbid_retries,),
        )
        try:
            async with asyncio.timeout_at(deadline), exchange as response:
                raw = await _read(response)
                return Answer(response.status, response.headers, _json_or_text(raw), len(raw))
        except NOT_SENT as exc:
            raise Unreachable(_reason(exc)) from exc
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise OutcomeUnknown(_reason(exc)) from exc

    def _url(self, path: str) -> URL:
        if path == "/graphql":
            # On a GitHub Enterprise Server REST is at /api/v3 and GraphQL at /api/graphql.
            return URL(self._api_url.removesuffix("/v3") + path)
        if path.startswith("/"):
            return URL(self._api_url + path)
        if found := self._target(URL(self._api_url), path):
            return found
        raise Unreachable("not sent: the link does not lead to GitHub's API")

    def _target(self, here: URL, link: str) -> URL | None:
        """The address of a link, or None outside GitHub's API: a request carries the token."""
        try:
            url = here.join(URL(link))
            # A redirect may drop the query. Without its filters a list would look complete.
            url = url if url.query_string else url.with_query(here.query)
            return url if link and url.origin() == here.origin() else None
        except ValueError:
            return None


@asynccontextmanager
async def open_client(app: GitHubApp) -> AsyncIterator[GitHub]:
    async with aiohttp.ClientSession(proxy=proxy_for(app.api_url)) as session:
        yield GitHub(
            session,
            api_url=app.api_url,
            app_id=app.id,
            private_key=app.private_key,
            now=system_clock,
            time_out=app.time_out_s,
        )


@cache
def _rsa_key(pem: str) -> RSAPrivateKey:
    """A parsed key, cached because parsing and checking takes 30 times as long as signing."""
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("The private key of a GitHub App must be an RSA key.")
    return key


def supported_version(answer: Answer, sent: str) -> str | None:
    """The version to send instead, if the server does not know the one that Hubbub sent.

    GitHub names the versions that it supports. Hubbub takes the newest that it works with. None if
    the server has no complaint, or supports no version that Hubbub works with.
    """
    words = text(at(answer.data, "message"))
    if answer.status != 400 or not UNSUPPORTED_VERSION.search(words):
        return None
    named = set(NAMED_VERSION.findall(words)) - {sent} or {OLDEST_API_VERSION}
    known = [each for each in named if OLDEST_API_VERSION <= each <= API_VERSION and each != sent]
    return max(known, default=None)


async def _forbid_retries(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Stop aiohttp from sending a PUT or DELETE again when a connection breaks."""
    try:
        return await send(request)
    except NOT_SENT:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise OutcomeUnknown(_reason(exc)) from exc


def _has_token(data: Any) -> bool:
    return bool(text(at(data, "token"))) and time(at(data, "expires_at")) > 0


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body. Of one that is too long, nothing: its status still says something."""
    found = bytearray()
    async for chunk in response.content.iter_any():
        found += chunk
        if len(found) > LONGEST_ANSWER:
            log.warning("answer too long", status=response.status, path=response.url.path)
            response.close()
            return b""
    return bytes(found)


def _reason(exc: BaseException) -> str:
    return redact(f"{type(exc).__name__} {exc}".strip())


def _json_or_text(raw: bytes) -> Any:
    try:
        return webhook_payloads.json_of(raw) if raw else None
    except (ValueError, RecursionError):
        return raw.decode(errors="replace")
