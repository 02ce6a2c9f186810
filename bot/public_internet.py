"""Requests to addresses that somebody else chose: only to hosts on the public internet."""

import ipaddress
from collections.abc import Callable, Mapping
from socket import AF_INET, AddressFamily
from ssl import SSLContext
from typing import TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")
# For protocols, tunnels and tests. Some versions of Python take a part of them for public.
SPECIAL = tuple(
    ipaddress.ip_network(each)
    for each in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
    )
)


class NotPublic(OSError):
    """The name of a host leads to an address that is not public."""


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet, also inside of one that maps it."""
    try:
        found: Address = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if (inner := _inner_address(found)) is not None:
            return is_public(str(inner))
        if found.is_site_local:
            return False
    special = found.is_multicast or found.is_reserved or any(found in each for each in SPECIAL)
    return found.is_global and not special


def _inner_address(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address to which packets for this address go in the end."""
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


class PublicResolver(AbstractResolver):
    """Gives the addresses of a host only if all are allowed.

    The connection is made to these addresses, so no second answer of the host's name server counts.
    """

    def __init__(self, inner: AbstractResolver, allows: Callable[[str], bool]) -> None:
        self._inner = inner
        self._allows = allows

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not all(self._allows(each["host"]) for each in found):
            raise NotPublic("the host has an address that is not public")
        return found

    async def close(self) -> None:
        await self._inner.close()


def open_session(
    headers: Mapping[str, str],
    resolver: AbstractResolver | None = None,
    tls: SSLContext | bool = True,  # noqa: FBT001, FBT002 - as aiohttp has it
    allows: Callable[[str], bool] = is_public,
) -> aiohttp.ClientSession:
    """A session for one request. It keeps no cookie, no connection and no address.

    aiohttp resolves no host that is an IP address, so the caller must refuse those. It follows
    redirects unless `allow_redirects` is False.
    """
    connector = aiohttp.TCPConnector(
        resolver=PublicResolver(resolver or aiohttp.ThreadedResolver(), allows),
        use_dns_cache=False,
        force_close=True,
        ssl=tls,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
        auto_decompress=False,
    )


async def read_body(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """The body, or its first `most` + 1 bytes if it is longer: then the rest is not read.

    `answer.content.read(most)` does not do this: it returns what has arrived so far.
    """
    found = bytearray()
    async for part in answer.content.iter_any():
        found += part
        if len(found) > most:
            answer.close()
            break
    return bytes(found[: most + 1])
