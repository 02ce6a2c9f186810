"""Sends one request to a service and reads the answer: at its pace, and with its credential.

A request is repeated only if that does no harm.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import quote

import aiohttp
from yarl import URL

from bot.tool_servers.access_tokens import AccessTokens
from bot.tool_servers.connections import ServerSpec, Unavailable
from bot.tool_servers.network import ERRORS, reason
from bot.tool_servers.openapi import answer_reading
from bot.tool_servers.openapi.answer_cache import AnswerCache
from bot.tool_servers.openapi.answer_reading import Answer
from bot.tool_servers.openapi.pace import LONGEST_WAIT_S, Pace, retry_after
from bot.tool_servers.openapi.requests import Request

# Seconds before each further attempt.
PAUSES_S = (0.2, 1.0)
# A gateway says that the service behind it did not answer.
AWAY = frozenset({502, 503, 504})
SAFE = frozenset({"GET", "HEAD"})
IDEMPOTENT = SAFE | {"PUT", "DELETE"}
# Nothing was sent.
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
UNAUTHORIZED = "It refused the credential (status 401). A person must change it."


class _Again(Exception):
    """The attempt failed in a way that another one may not. `failure` if there is none."""

    def __init__(self, failure: Unavailable, pause_s: float | None = None) -> None:
        super().__init__(failure.text)
        self.failure = failure
        self.pause_s = pause_s


@dataclass(frozen=True)
class Exchange:
    """One service as this process is connected to it."""

    spec: ServerSpec
    base_url: str
    session: aiohttp.ClientSession
    tokens: AccessTokens
    pace: Pace
    cache: AnswerCache
    cache_s: float
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)

    async def send(self, request: Request) -> Answer:
        """The answer, from the cache if it has a fresh one. Raise Unavailable."""
        if request.method != "GET":
            return await self._send(request)
        key = self.spec.key, request.url, tuple(sorted(request.headers.items()))
        kept = self.cache.get(key)
        if kept and self.cache.is_fresh(kept):
            return kept.answer
        if kept and kept.etag:
            answer = await self._send(request.with_header("If-None-Match", kept.etag))
            if answer.status == 304:
                self.cache.renew(key, kept, self.cache_s)
                return kept.answer
        else:
            answer = await self._send(request)
        self.cache.put(key, answer, self.cache_s)
        return answer

    async def look(self) -> None:
        """Whether the service answers at all: any status but those of a gateway will do.

        Its base address may need no credential, or another one, so 401 says nothing.
        """
        token = await self.tokens.headers(self.spec)
        try:
            answer = await self._once(Request("GET", self.base_url), token)
        except _Again as exc:
            raise exc.failure from exc
        if answer.status in AWAY:
            raise Unavailable("unreachable", _away_words(answer), sent=True)

    async def _send(self, request: Request) -> Answer:
        """As often as is right."""
        is_renewed = False
        for pause in (*PAUSES_S, None):
            try:
                answer = await self._attempt(request)
            except _Again as exc:
                if pause is None:
                    raise exc.failure from exc
                await self.sleep(pause if exc.pause_s is None else exc.pause_s)
                continue
            if answer.status != 401:
                return answer
            if self.spec.oauth is None or is_renewed:
                break
            # The token ended early, or was revoked. Nothing was done with it.
            self.tokens.forget(self.spec.installation_id, self.spec.server_id)
            is_renewed = True
        raise Unavailable("unauthorized", UNAUTHORIZED)

    async def _attempt(self, request: Request) -> Answer:
        await self._take_turn()
        token = await self.tokens.headers(self.spec)
        answer = await self._once(request, token)
        if answer.status == 429:
            wait = retry_after(answer.headers.get("Retry-After"))
            self.pace.pause(wait)
            failure = _rate_limited(wait)
            raise _Again(failure, 0.0) if wait <= LONGEST_WAIT_S else failure
        if answer.status in AWAY:
            self._check_away(request, answer)
        return answer

    async def _take_turn(self) -> None:
        if (wait := self.pace.take_turn()) > LONGEST_WAIT_S:
            raise _rate_limited(wait)
        if wait > 0:
            await self.sleep(wait)

    async def _once(self, request: Request, token: dict[str, str]) -> Answer:
        if self.session.closed:
            raise Unavailable("unreachable", "It was changed or stopped during the call.")
        try:
            async with self.session.request(
                request.method,
                _url(request.url, self.spec),
                data=request.body,
                headers=_headers(request, self.spec, token),
                allow_redirects=False,
            ) as answer:
                return await answer_reading.read(answer)
        except NOT_SENT as exc:
            failure = Unavailable("unreachable", f"It was not reached: {reason(exc)}.")
            is_certificate = isinstance(exc, aiohttp.ClientSSLError)
            raise failure if is_certificate else _Again(failure) from exc
        except TimeoutError:
            raise
        except ERRORS as exc:
            text = f"The connection to it ended during the call: {reason(exc)}."
            failure = Unavailable("unreachable", text, sent=True)
            raise _Again(failure) if request.method in IDEMPOTENT else failure from exc

    def _check_away(self, request: Request, answer: Answer) -> None:
        header = answer.headers.get("Retry-After")
        wait = retry_after(header) if header else None
        failure = Unavailable("unreachable", _away_words(answer), retry_after_s=wait, sent=True)
        if request.method in IDEMPOTENT and (wait is None or wait <= LONGEST_WAIT_S):
            raise _Again(failure, wait)
        raise failure


def _away_words(answer: Answer) -> str:
    return f"It answered with status {answer.status}: it is not available at the moment."


def _rate_limited(wait: float) -> Unavailable:
    text = f"It takes no more calls at the moment. Try again in {max(1, round(wait))} s."
    return Unavailable("rate_limited", text, retry_after_s=wait)


def _url(url: str, spec: ServerSpec) -> URL:
    """The address with the part of the credential that belongs there."""
    parts = [
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in spec.query.items()
    ]
    sign = "&" if "?" in url else "?"
    return URL(url + (sign + "&".join(parts) if parts else ""), encoded=True)


def _headers(request: Request, spec: ServerSpec, token: dict[str, str]) -> dict[str, str]:
    """The credential comes last, so that no argument replaces it."""
    made = {"Accept-Encoding": "gzip", **request.headers}
    for name, value in (*spec.headers.items(), *token.items()):
        for known in [each for each in made if each.lower() == name.lower()]:
            if known.lower() == "cookie":
                value = f"{value}; {made[known]}"  # noqa: PLW2901 - both belong into one header
            del made[known]
        made[name] = value
    return made
