"""Requests of plug-ins over HTTPS, to hosts that the manifest names, on the public internet."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver

from bot.errors import Refused
from bot.public_internet import NotPublic, is_public, open_session

TIMEOUT_S = 10.0
MOST_SENT, MOST_READ = 256 * 1024, 512 * 1024
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
HEADERS = {"User-Agent": "hubbub-plugin", "Accept-Encoding": "identity"}
# Headers that only the connection itself sets.
REFUSED = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "accept-encoding"}
)


@dataclass(frozen=True)
class Requests:
    """Everything here is for tests."""

    resolver: AbstractResolver | None = None
    tls: SSLContext | bool = True
    allows: Callable[[str], bool] = is_public

    async def fetch(self, hosts: Collection[str], given: dict[str, Any]) -> dict[str, Any]:
        """`given`: url, method, headers and body. Raise Refused."""
        method, url, headers, body = _request(hosts, given)
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                open_session(HEADERS, self.resolver, self.tls, self.allows) as session,
                session.request(
                    method, url, data=body, headers=headers, allow_redirects=False
                ) as answer,
            ):
                read = await answer.content.read(MOST_READ + 1)
                while len(read) <= MOST_READ and (more := await answer.content.read(MOST_READ)):
                    read += more
                return {
                    "status": answer.status,
                    "headers": dict(answer.headers),
                    "body": read[:MOST_READ].decode(errors="replace"),
                    "truncated": len(read) > MOST_READ,
                }
        except (TimeoutError, NotPublic, aiohttp.ClientError, OSError, ValueError) as exc:
            raise Refused(
                "plugin_failed", f"The request to {urlsplit(url).netloc} failed: {exc!r}"[:300]
            ) from exc


def _request(
    hosts: Collection[str], given: dict[str, Any]
) -> tuple[str, str, dict[str, str], str | None]:
    """Raise Refused."""
    url, body = str(given.get("url", "")), given.get("body")
    method, headers = str(given.get("method", "GET")).upper(), given.get("headers") or {}
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise Refused("invalid_arguments", f"The URL cannot be read: {exc}.") from exc
    name = (parts.hostname or "") + (f":{port}" if port not in (None, 443) else "")
    if parts.scheme != "https" or parts.username is not None or name not in hosts:
        raise Refused(
            "forbidden",
            f"Only https addresses of {', '.join(sorted(hosts))} may be requested, as the manifest "
            "says.",
        )
    # An IP address is not resolved, so nothing else would check it.
    if name.rpartition(":")[0].replace(".", "").isdecimal() or name.replace(".", "").isdecimal():
        raise Refused("forbidden", "An IP address may not be requested.")
    if method not in METHODS or not isinstance(headers, dict):
        raise Refused("invalid_arguments", f"`method` must be one of {', '.join(sorted(METHODS))}.")
    if body is not None and (not isinstance(body, str) or len(body.encode()) > MOST_SENT):
        raise Refused("invalid_arguments", f"`body` must be a text of {MOST_SENT} bytes at most.")
    sent = {str(k): str(v) for k, v in headers.items() if str(k).lower() not in REFUSED}
    return method, url, sent, body
