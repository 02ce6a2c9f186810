"""Fetches client ID metadata documents: only from public addresses, small, in time, and seldom."""

import asyncio
import time
from collections.abc import Callable
from ssl import SSLContext

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver
from cachetools import LRUCache, TTLCache

from bot.identity.oauth.client_documents import (
    LARGEST_DOCUMENT,
    Unusable,
    check_address,
    keep_seconds,
    read_document,
)
from bot.identity.oauth.clients import Client
from bot.public_internet import is_public, open_session, read_body

log = structlog.get_logger()

# Seconds for a document, with the wait for its turn.
FETCH_S = 5.0
MOST_AT_ONCE = 4
MOST_KEPT = 1000
# A document that could not be used is not fetched again for this long, in seconds.
RETRY_AFTER_S = 30
# Within a minute: fetches from one host, and all.
MOST_OF_HOST = 10
MOST_A_MINUTE = 60
# The same text for every failure to connect: another would tell a caller what listens where.
UNREACHABLE = "it could not be fetched from a public address"
BUSY = "too many documents are being fetched; try again in a minute"
HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "hubbub"}


class DocumentFetcher:
    """The clients that metadata documents describe, kept for at most an hour.

    `resolver`, `tls` and `allows` are for tests, whose documents are on loopback.
    """

    def __init__(
        self,
        resolver: AbstractResolver | None = None,
        tls: SSLContext | None = None,
        allows: Callable[[str], bool] = is_public,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = resolver
        self._tls: SSLContext | bool = tls or True
        self._allows = allows
        self._now = now
        self._clients: LRUCache[str, tuple[float, Client]] = LRUCache(MOST_KEPT)
        self._failures: TTLCache[str, str] = TTLCache(MOST_KEPT, RETRY_AFTER_S, now)
        self._fetches: TTLCache[object, str] = TTLCache(MOST_A_MINUTE, 60, now)
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)

    async def client(self, client_id: str) -> Client:
        """The client with this address as its id. Raise Unusable."""
        host = check_address(client_id)
        if (kept := self._usable(client_id)) is not None:
            return kept
        if (failure := self._failures.get(client_id)) is not None:
            raise Unusable(failure)
        self._count(host)
        try:
            client, seconds = await self._fetch_in_time(client_id)
        except Unusable as exc:
            log.info("client document refused", client=client_id, reason=str(exc))
            self._failures[client_id] = str(exc)
            raise
        self._clients[client_id] = self._now() + seconds, client
        return client

    def _usable(self, client_id: str) -> Client | None:
        until, client = self._clients.get(client_id, (0.0, None))
        return client if self._now() < until else None

    def _count(self, host: str) -> None:
        """Raise Unusable if there were too many fetches within a minute."""
        self._fetches.expire()
        fetches = list(self._fetches.values())
        if len(fetches) >= MOST_A_MINUTE or fetches.count(host) >= MOST_OF_HOST:
            raise Unusable(BUSY)
        self._fetches[object()] = host

    async def _fetch_in_time(self, client_id: str) -> tuple[Client, int]:
        try:
            async with asyncio.timeout(FETCH_S), self._turns:
                return await self._fetch(client_id)
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise Unusable(UNREACHABLE) from exc

    async def _fetch(self, client_id: str) -> tuple[Client, int]:
        async with (
            open_session(HEADERS, self._resolver, self._tls, self._allows) as session,
            session.get(client_id, allow_redirects=False) as answer,
        ):
            _check_head(answer)
            body = await _read(answer)
            return read_document(client_id, body), keep_seconds(
                answer.headers.get("Cache-Control", "")
            )


def _check_head(answer: aiohttp.ClientResponse) -> None:
    if answer.status != 200:
        raise Unusable("its server did not answer with 200; redirects are not followed")
    if answer.content_type != "application/json" and not answer.content_type.endswith("+json"):
        raise Unusable("it is not served as application/json")
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise Unusable("it is compressed")


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = await read_body(answer, LARGEST_DOCUMENT)
    if len(body) > LARGEST_DOCUMENT:
        raise Unusable(f"it is larger than {LARGEST_DOCUMENT} bytes")
    return body
