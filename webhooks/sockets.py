"""The open WebSockets of this process: how many a token may have, and when they are closed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from aiohttp import WSCloseCode, web

from bot.errors import Refused
from bot.identity.tokens import Tokens
from webhooks.connection import Connection, Patience

log = structlog.get_logger()

# The sockets of one token, at most.
MOST_SOCKETS = 20


@dataclass(eq=False)
class Sockets:
    tokens: Tokens
    patience: Patience = field(default_factory=Patience)
    # Each connection, with its token.
    open: dict[Connection, str] = field(default_factory=dict)
    _count: Counter[str] = field(default_factory=Counter)
    _closing: set[asyncio.Task[None]] = field(default_factory=set)

    @contextmanager
    def reserve(self, token: str) -> Iterator[None]:
        """Count a socket of this token. Raise Refused if it has too many."""
        if self._count[token] >= MOST_SOCKETS:
            raise Refused(
                "too_many",
                f"This token has {MOST_SOCKETS} open sockets, which is the limit. Close one.",
                most=MOST_SOCKETS,
            )
        self._count[token] += 1
        try:
            yield
        finally:
            self._count[token] -= 1
            if not self._count[token]:
                del self._count[token]

    @contextmanager
    def add(self, connection: Connection, token: str) -> Iterator[None]:
        self.open[connection] = token
        try:
            yield
        finally:
            del self.open[connection]

    async def life(self, _: web.Application) -> AsyncIterator[None]:
        watch = asyncio.create_task(self._close_revoked())
        yield
        watch.cancel()
        await asyncio.gather(watch, *self._closing, return_exceptions=True)

    async def close_all(self, _: web.Application) -> None:
        """Close all sockets because the server stops. Clients reconnect."""
        going, stop_s = WSCloseCode.GOING_AWAY, self.patience.stop_s
        await asyncio.gather(*(each.close(going, "the server stops", stop_s) for each in self.open))

    async def _close_revoked(self) -> None:
        """Close the sockets of revoked tokens, as long as the process lives."""
        while True:
            await asyncio.sleep(self.patience.look_every_s)
            if not self.open:
                continue
            try:
                revoked = await self.tokens.find_revoked(set(self._count))
            except Exception:  # the database is away; sockets stay open
                log.exception("tokens of sockets not checked")
                continue
            for connection, token in self.open.items():
                if token in revoked:
                    self._start_closing(connection)

    def _start_closing(self, connection: Connection) -> None:
        """In a task of its own: a slow client must not delay the others."""
        closing = connection.close(
            WSCloseCode.POLICY_VIOLATION, "unauthenticated: the token was revoked"
        )
        task = asyncio.create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


SOCKETS = web.AppKey("sockets", Sockets)
