"""The addresses of this server, as the caller of a request sees them."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from bot.identity.oauth.clients import LOOPBACK
from bot.identity.server_address import ENDPOINT, audience_of

# Without HUBBUB_PUBLIC_URL, these parts of the header Host are repeated in answers.
HOST = re.compile(r"([a-z0-9.-]+|\[::1\])(:\d{1,5})?")


@dataclass(frozen=True)
class Addresses:
    """`address`: that of the settings. `fixed`: HUBBUB_PUBLIC_URL is set."""

    address: str
    fixed: bool = True
    host: str = "127.0.0.1"

    @property
    def audience(self) -> str:
        return audience_of(self.address)

    def base(self, request: web.Request) -> str:
        """The address by which the caller reached the server.

        A client refuses metadata for another host than the one that it asked, and 127.0.0.1 and
        localhost are two hosts for it.
        """
        named = request.host.lower()
        if self.fixed or not HOST.fullmatch(named):
            return self.address
        allowed = urlsplit(f"//{named}").hostname in LOOPBACK | {self.host.lower()}
        return f"http://{named}" if allowed else self.address

    def resources(self, request: web.Request) -> frozenset[str]:
        """The addresses that mean this server in the parameter `resource`."""
        base = self.base(request)
        return frozenset({base, f"{base}/", f"{base}{ENDPOINT}", f"{base}{ENDPOINT}/"})

    def path_prefix(self) -> str:
        """The path of a public address that has one, as behind a proxy that others share."""
        return urlsplit(self.address).path.rstrip("/")


# A server on this machine.
LOCAL = Addresses("http://127.0.0.1:8080", fixed=False)
ADDRESSES = web.AppKey("addresses", Addresses)
