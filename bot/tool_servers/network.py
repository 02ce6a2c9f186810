"""How servers on the network are reached: only public ones, or those that the operator allowed."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from socket import gaierror
from ssl import SSLContext

import aiohttp
from aiohttp.abc import AbstractResolver

from bot.errors import Refused
from bot.public_internet import NotPublic, PublicResolver, is_public
from bot.tool_servers.addresses import WebAddress, check_web
from bot.tool_servers.connections import Unavailable

CONNECT_S = 10.0
# Connections to one server that this process keeps.
MOST_OPEN = 20
KEEP_S = 30.0


@dataclass(frozen=True)
class Network:
    """`trusted`: origins that the operator allowed. The rest is for tests."""

    trusted: Collection[str] = ()
    resolver: AbstractResolver | None = None
    tls: SSLContext | None = None
    allows: Callable[[str], bool] = is_public

    def _check(self, url: str) -> WebAddress:
        """Raise Unavailable if nothing may be sent to this address."""
        try:
            return check_web(url, self.trusted)
        except Refused as exc:
            raise Unavailable("refused", exc.message) from exc

    def open_session(
        self, url: str, headers: Mapping[str, str], *traces: aiohttp.TraceConfig
    ) -> aiohttp.ClientSession:
        """A session for one server, which keeps connections and no cookies.

        Pass `allow_redirects=False` with each request. Raise Unavailable for a forbidden address.
        """
        is_trusted = self._check(url).is_trusted
        connector = aiohttp.TCPConnector(
            resolver=PublicResolver(
                self.resolver or aiohttp.ThreadedResolver(),
                (lambda _: True) if is_trusted else self.allows,
            ),
            use_dns_cache=False,
            limit=MOST_OPEN,
            keepalive_timeout=KEEP_S,
            ssl=self.tls or True,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "hubbub", "Accept-Encoding": "identity", **headers},
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            trace_configs=list(traces),
        )


def reason(exc: BaseException) -> str:
    """Why a server could not be reached, in words and without its address."""
    seen: BaseException | None = exc
    while seen is not None:
        for kinds, words in WORDS:
            if isinstance(seen, kinds):
                return words
        seen = seen.__cause__ or seen.__context__
    return type(exc).__name__


# The first that fits an error, or what caused it.
WORDS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((NotPublic,), "its host has an address that is not on the public internet"),
    (
        (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError),
        "its certificate cannot be verified",
    ),
    ((aiohttp.ServerTimeoutError,), f"it did not accept a connection within {CONNECT_S:g} s"),
    (
        (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, ConnectionResetError),
        "it closed the connection",
    ),
    ((ConnectionRefusedError,), "the connection was refused"),
    ((gaierror,), "its host name is not known"),
)
# What a request raises when the server cannot be reached.
ERRORS = (aiohttp.ClientError, OSError, ValueError)
