"""Ends the sockets and the waiting calls of a revoked token, and the sockets of an expired one."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog
from aiohttp import web

from bot.events.waiters import Waiters
from bot.identity.tokens import Tokens
from webhooks.sockets import Sockets

log = structlog.get_logger()


@dataclass(frozen=True)
class RevocationWatch:
    tokens: Tokens
    sockets: Sockets
    waiters: Waiters

    async def life(self, _: web.Application) -> AsyncIterator[None]:
        watch = asyncio.create_task(self._watch())
        yield
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await self.sockets.finish_closing()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self.sockets.patience.look_every_s)
            if not (self.sockets.open or self.waiters.waiting):
                continue
            try:
                await self._end_revoked()
            except Exception:  # the database is away; sockets stay open
                log.exception("revoked tokens not read")

    async def _end_revoked(self) -> None:
        known = self.tokens.revocations.found
        await self.tokens.revocations.look()
        self.sockets.close_ended(self.tokens)
        await self.sockets.close_with_other_roles(self.tokens)
        if self.tokens.revocations.found != known:
            self.waiters.wake_all()
