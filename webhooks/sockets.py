"""The open WebSockets of this process: how many a token may have, and when they are closed."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import WSCloseCode, web

from bot.errors import Refused
from bot.identity.actors import Actor, ActorKey
from bot.identity.tokens import Tokens
from webhooks.connection import Connection, Patience

# The sockets of one token, at most.
MOST_SOCKETS = 20


@dataclass(eq=False)
class Sockets:
    patience: Patience = field(default_factory=Patience)
    # Those of each agent, for the list of agents.
    counted: Counter[ActorKey] = field(default_factory=Counter)
    open: dict[Connection, Actor] = field(default_factory=dict)
    _count: Counter[str] = field(default_factory=Counter)
    _closing: set[asyncio.Task[None]] = field(default_factory=set)

    @contextmanager
    def reserve(self, actor: Actor) -> Iterator[None]:
        """Count a socket of the actor's token. Raise Refused if it has too many."""
        token = actor.credential
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
    def add(self, connection: Connection, actor: Actor) -> Iterator[None]:
        self.open[connection] = actor
        self.counted[actor.key] += 1
        try:
            yield
        finally:
            del self.open[connection]
            self.counted[actor.key] -= 1
            if not self.counted[actor.key]:
                del self.counted[actor.key]

    async def close_all(self, _: web.Application) -> None:
        """Close all sockets because the server stops. Clients reconnect."""
        going, stop_s = WSCloseCode.GOING_AWAY, self.patience.stop_s
        await asyncio.gather(*(each.close(going, "the server stops", stop_s) for each in self.open))

    def close_ended(self, tokens: Tokens) -> None:
        """Close the sockets whose token was revoked or expired: a client connects with the next."""
        for connection, actor in self.open.items():
            if not connection.ws.closed and tokens.has_ended(actor):
                self._start_closing(connection)

    async def close_with_other_roles(self, tokens: Tokens) -> None:
        """Close the sockets of people whose permissions changed. They may connect again."""
        for connection, actor in list(self.open.items()):
            if not connection.ws.closed and await tokens.has_other_roles(actor):
                self._start_closing(connection, "unauthenticated: your permissions changed")

    async def finish_closing(self) -> None:
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _start_closing(
        self, connection: Connection, why: str = "unauthenticated: the token was revoked or ended"
    ) -> None:
        """In a task of its own: a slow client must not delay the others."""
        closing = connection.close(WSCloseCode.POLICY_VIOLATION, why)
        task = asyncio.create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


SOCKETS = web.AppKey("sockets", Sockets)
