"""Where a request came from: the peer, or the client that a trusted proxy names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from aiohttp import web

from bot.identity.server_address import LOOPBACK

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

FORWARDED_FOR = "X-Forwarded-For"
# Any of these says that a proxy passed the request on.
OF_PROXIES = (FORWARDED_FOR, "Forwarded", "X-Real-IP", "Via")
# The smallest network that a provider gives to a customer, in bits.
IPV6_NETWORK = 64
# Entries of the header that are read. A client may send any number.
MOST_ENTRIES = 20


@dataclass(frozen=True)
class Proxies:
    """`trusted`: the networks whose word about the client counts. `names`: of this server."""

    trusted: tuple[Network, ...] = ()
    names: frozenset[str] = LOOPBACK

    def client(self, request: web.Request) -> str:
        """The client's address. Empty if the connection has none, as on a Unix socket.

        Each proxy appends the address that it saw. So the last one that is no trusted proxy is the
        client, and what stands before it anybody may have written.
        """
        peer = request.remote or ""
        if not self._trusts(peer):
            return peer
        named = ",".join(request.headers.getall(FORWARDED_FOR, [])).split(",")
        for each in reversed(named[-MOST_ENTRIES:]):
            entry = _without_port(each.strip())
            if _parse(entry) is None:
                return peer
            peer = entry
            if not self._trusts(peer):
                break
        return peer

    def limit_key(self, request: web.Request) -> str:
        """The client, as limits count it: of IPv6 the network, in which one machine has all."""
        address = self.client(request)
        found = _parse(address)
        if found is None or found.version == 4:
            return str(found or address)
        return str(ip_network((found, IPV6_NETWORK), strict=False))

    def is_local(self, request: web.Request) -> bool:
        """Whether a program on this machine sent it itself.

        A web page in a browser on this machine is no such program. It reaches the server only by a
        name of its own.
        """
        address = _parse(request.remote or "")
        passed_on = any(each in request.headers for each in OF_PROXIES)
        is_ours = _without_port_of_host(request.host) in self.names
        return address is not None and address.is_loopback and not passed_on and is_ours

    def _trusts(self, address: str) -> bool:
        found = _parse(address)
        return found is not None and any(found in each for each in self.trusted)


def networks(given: Sequence[str]) -> tuple[Network, ...]:
    """Raise ValueError."""
    return tuple(ip_network(each, strict=False) for each in given)


def _parse(text: str) -> Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _without_port_of_host(host: str) -> str:
    """A literal IPv6 address keeps its brackets."""
    return re.sub(r":\d*$", "", host.lower())


def _without_port(entry: str) -> str:
    """An entry may have a port: 192.0.2.1:4711 or [2001:db8::1]:4711."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


NO_PROXIES = Proxies()
PROXIES = web.AppKey("proxies", Proxies)
