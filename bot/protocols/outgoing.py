"""Requests to the addresses of agents, which people chose."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ssl import SSLContext

import aiohttp
from aiohttp.abc import AbstractResolver

from bot.public_internet import NotPublic, is_public, open_session, read_body
from bot.tool_servers.addresses import check_web

HEADERS = {"User-Agent": "hubbub", "Accept-Encoding": "identity"}


class TooLarge(ValueError):
    """The answer has more bytes than the caller reads."""


@dataclass(frozen=True)
class Outgoing:
    """`trusted`: origins that the operator allowed. The rest is for tests."""

    trusted: Collection[str] = ()
    resolver: AbstractResolver | None = None
    tls: SSLContext | None = None
    allows: Callable[[str], bool] = is_public

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 15.0,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send one request, and give its answer within the time. No redirect is followed.

        Raise Refused if the address may not be used; TimeoutError, aiohttp.ClientError or OSError.
        """
        checked = check_web(url, self.trusted)
        allows = (lambda _: True) if checked.is_trusted else self.allows
        async with (
            asyncio.timeout(timeout_s),
            open_session(HEADERS, self.resolver, self.tls or True, allows) as session,
            session.request(
                method, checked.url, data=content, headers=headers, allow_redirects=False
            ) as answer,
        ):
            yield answer


async def read(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """The body. Raise TooLarge if it has more bytes than `most`."""
    found = await read_body(answer, most)
    if len(found) > most:
        raise TooLarge(f"its answer has more than {most} bytes")
    return found


def reason(exc: Exception, timeout_s: float) -> str:
    """Why a request failed, without the address, which may be a secret."""
    if isinstance(exc, TimeoutError):
        return f"it did not answer within {timeout_s:g} s"
    if isinstance(exc, TooLarge):
        return str(exc)
    if isinstance(exc.__cause__, NotPublic):
        return str(exc.__cause__)
    return f"it could not be reached: {type(exc).__name__}"
