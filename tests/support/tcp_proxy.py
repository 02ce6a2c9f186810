"""A network between Hubbub and its database that can lose its connections without a word."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from pymysql.constants import CLIENT


class Network:
    """`forget`: open connections never answer again, new ones work. `cut`: nothing answers.

    `without_tls`: an attacker in between says that the server does not offer TLS. `questions`:
    how often something was sent to the server.
    """

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._lost: set[object] = set()
        self._open: set[object] = set()
        self._cut = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0
        self.without_tls = False
        self.questions = 0

    def forget(self) -> None:
        self._lost |= self._open

    def cut(self) -> None:
        self._cut = True

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = object()
        self._open.add(me)
        there, back = await asyncio.open_connection(*self._to)
        writer.write(self._greeting(await there.read(65536)))
        self._writers += [writer, back]
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._carry(me, source, sink, is_question=sink is back))
            self._tasks.add(task)

    def _greeting(self, packet: bytes) -> bytes:
        """MySQL's first packet: header, protocol, version, NUL, 13 bytes, the capabilities."""
        if not self.without_tls:
            return packet
        changed = bytearray(packet)
        changed[packet.index(0, 5) + 15] &= ~(CLIENT.SSL >> 8)
        return bytes(changed)

    async def _carry(
        self,
        me: object,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        *,
        is_question: bool,
    ) -> None:
        try:
            while data := await source.read(65536):
                self.questions += is_question
                if not (self._cut or me in self._lost):
                    sink.write(data)
        except ConnectionError:
            return
        finally:
            if not (self._cut or me in self._lost):
                sink.close()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def network(host: str, port: int) -> AsyncIterator[Network]:
    made = Network(host, port)
    server = await asyncio.start_server(made.accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await made.end()
