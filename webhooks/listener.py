"""The port: how many connections may be open, and which one gives way to a new one.

Anybody may connect and then send nothing. Without a limit such connections take all the files that
the process may open, and then nobody else gets in.
"""

import asyncio
import resource
import socket
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

# A connection without a request is closed after this time. Proxies keep theirs for 60 s.
KEEPALIVE_S = 75.0
MOST = 4000
# Open files other than the connections of clients: the database, GitHub, the log.
OTHER_FILES = 200
FEWEST = 16
# Connections that no process has accepted yet.
BACKLOG = 128


@dataclass(eq=False)
class Connections:
    """The open connections. Those of unknown callers are in the order of their last known use."""

    most: int = MOST
    _unknown: dict[asyncio.Transport, None] = field(default_factory=dict)
    # The caller of the running request of each.
    _known: dict[asyncio.Transport, Hashable] = field(default_factory=dict)

    def add(self, connection: asyncio.Transport) -> None:
        """Add a new connection. If there are too many, drop another one.

        So a delivery of GitHub gets in, however many strangers connect.
        """
        if len(self._unknown) + len(self._known) >= self.most:
            self._forget_closed()
        if len(self._unknown) + len(self._known) >= self.most:
            self._drop_one()
        self._unknown[connection] = None

    @contextmanager
    def mark_known(self, request: web.Request, caller: Hashable) -> Iterator[None]:
        """Until the answer to this request, connections of unknown callers are dropped first."""
        connection = request.transport
        if connection is None:
            yield
            return
        self._unknown.pop(connection, None)
        self._known[connection] = caller
        try:
            yield
        finally:
            if self._known.pop(connection, None) is not None:
                self._unknown[connection] = None

    def _drop_one(self) -> None:
        """The oldest of an unknown caller, or else of the caller that has the most."""
        if self._unknown:
            dropped = next(iter(self._unknown))
            del self._unknown[dropped]
        else:
            ((greediest, _),) = Counter(self._known.values()).most_common(1)
            dropped = next(each for each, caller in self._known.items() if caller == greediest)
            del self._known[dropped]
        dropped.abort()

    def _forget_closed(self) -> None:
        for closed in [each for each in self._unknown if each.is_closing()]:
            del self._unknown[closed]


CONNECTIONS = web.AppKey("connections", Connections)


@dataclass
class _Door(asyncio.Protocol):
    """Counts a new connection, and leaves all that follows to aiohttp."""

    server: web.Server
    connections: Connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        handler = self.server()
        transport.set_protocol(handler)
        self.connections.add(transport)
        handler.connection_made(transport)


class Listener(web.BaseSite):
    """Accepts connections, as many as `connections` allows."""

    def __init__(
        self, runner: web.BaseRunner, host: str, port: int, connections: Connections
    ) -> None:
        super().__init__(runner)
        self._host = host
        self._port = port
        self._connections = connections

    @property
    def name(self) -> str:
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        await super().start()
        server = self._runner.server
        assert server is not None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Door(server, self._connections), self._host, self._port
        )


class Inherited(web.BaseSite):
    """Accepts connections on a port that other processes accept on too."""

    def __init__(
        self, runner: web.BaseRunner, port: socket.socket, connections: Connections
    ) -> None:
        super().__init__(runner)
        self._port = port
        self._connections = connections

    @property
    def name(self) -> str:
        host, port = self._port.getsockname()[:2]
        return f"http://{host}:{port}"

    async def start(self) -> None:
        await super().start()
        server = self._runner.server
        assert server is not None
        # The loop accepts so many at once. More would be taken from processes with less to do.
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Door(server, self._connections), sock=self._port, backlog=1
        )
        self._port.listen(BACKLOG)


def raise_file_limit() -> int:
    """Let the process open more files, if it may. Return how many connections that leaves."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    files = wanted if soft == resource.RLIM_INFINITY else min(soft, wanted)
    return max(files - OTHER_FILES, FEWEST)
