"""Requests of plug-ins to hosts that the manifest names, over HTTPS on the public internet.

The operator may allow other origins: HUBBUB_TRUSTED_ORIGINS. The manifest must name those too.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver

from bot.errors import Refused
from bot.protocols.outgoing import reason
from bot.public_internet import is_public, open_session, read_body
from bot.tool_servers.addresses import WebAddress, check_web

TIMEOUT_S = 10.0
MOST_SENT, MOST_READ = 256 * 1024, 512 * 1024
PORTS = {"https": 443, "http": 80}
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
HEADERS = {"User-Agent": "hubbub-plugin", "Accept-Encoding": "identity"}
# Headers that only the connection itself sets.
OF_CONNECTION = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "accept-encoding"}
)
Given: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Requests:
    """`trusted`: origins that the operator allowed. The rest is for tests."""

    trusted: Collection[str] = ()
    resolver: AbstractResolver | None = None
    tls: SSLContext | bool = True
    allows: Callable[[str], bool] = is_public
    timeout_s: float = TIMEOUT_S

    async def fetch(self, hosts: Collection[str], given: Given) -> Given:
        """`given`: url, method, headers and body. No redirect is followed. Raise Refused."""
        address = self._address(hosts, str(given.get("url", "")))
        method, headers, body = _method(given), _headers(given), _body(given)
        allows = (lambda _: True) if address.is_trusted else self.allows
        try:
            async with (
                asyncio.timeout(self.timeout_s),
                open_session(HEADERS, self.resolver, self.tls, allows) as session,
                session.request(
                    method, address.url, data=body, headers=headers, allow_redirects=False
                ) as answer,
            ):
                return await _read(answer)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as exc:
            why = reason(exc, self.timeout_s)
            host = urlsplit(address.url).netloc
            raise Refused("plugin_failed", f"The request to {host} failed: {why}.") from exc

    def _address(self, hosts: Collection[str], url: str) -> WebAddress:
        """Raise Refused unless the manifest names the host, and Hubbub may send to the address."""
        try:
            parts = urlsplit(url)
            port = parts.port or PORTS.get(parts.scheme)
        except ValueError as exc:
            raise Refused("invalid_arguments", f"The URL cannot be read: {exc}.") from exc
        name = (parts.hostname or "") + ("" if port == PORTS["https"] else f":{port}")
        if name not in hosts:
            raise Refused(
                "forbidden",
                f"The manifest names {', '.join(sorted(hosts))} in permissions.hosts, and not "
                f"{name!r}.",
            )
        return check_web(url, self.trusted)


def _method(given: Given) -> str:
    method = str(given.get("method") or "GET").upper()
    if method not in METHODS:
        raise Refused("invalid_arguments", f"`method` must be one of {', '.join(METHODS)}.")
    return method


def _headers(given: Given) -> dict[str, str]:
    headers = given.get("headers") or {}
    if not isinstance(headers, dict):
        raise Refused("invalid_arguments", "`headers` must be an object of texts.")
    return {str(k): str(v) for k, v in headers.items() if str(k).lower() not in OF_CONNECTION}


def _body(given: Given) -> str | None:
    body = given.get("body")
    if body is not None and (not isinstance(body, str) or len(body.encode()) > MOST_SENT):
        raise Refused("invalid_arguments", f"`body` must be a text of at most {MOST_SENT} bytes.")
    return body


async def _read(answer: aiohttp.ClientResponse) -> Given:
    read = await read_body(answer, MOST_READ)
    return {
        "status": answer.status,
        # Its own keys are a subclass of str, which orjson refuses.
        "headers": {str(name): value for name, value in answer.headers.items()},
        "body": read[:MOST_READ].decode(errors="replace"),
        "truncated": len(read) > MOST_READ,
    }
