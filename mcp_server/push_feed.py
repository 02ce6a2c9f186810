"""The pushes of an agent from a server, over a WebSocket that is opened again when it breaks."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bot.cli import output
from bot.github.proxies import proxy_for

# Between two attempts to connect: at first, and at most.
FIRST_S, LONGEST_S = 0.5, 15.0
# A server that does not answer a ping within half of this time is gone.
PING_EVERY_S = 20.0
MOST_KEYS = 1000
# What the server answers to a token that is unknown or was revoked, or may not get messages.
REFUSED = frozenset({401, 403})


class Ended(Exception):
    """The server refuses to push, so that another attempt is pointless."""


@dataclass
class PushFeed:
    """Continues after the last push that was taken, so that a restart loses and repeats none."""

    url: str
    http: aiohttp.ClientSession
    cursor: str | None = None
    _taken: dict[str, None] = field(default_factory=dict)

    async def pushes(self) -> AsyncGenerator[dict[str, Any]]:
        wait_s = FIRST_S
        while True:
            try:
                async with aclosing(self._connection()) as found:
                    async for each in found:
                        wait_s = FIRST_S
                        if each["key"] not in self._taken:
                            yield each
                            self._remember(each)
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            except Ended as exc:
                output.warn(f"No pushes: {exc}")
                return
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            wait_s = min(2 * wait_s, LONGEST_S)

    def _remember(self, push: dict[str, Any]) -> None:
        """Only when the push was written, so that none is lost."""
        self.cursor = push["cursor"]
        self._taken[push["key"]] = None
        if len(self._taken) > MOST_KEYS:
            del self._taken[next(iter(self._taken))]

    async def _connection(self) -> AsyncGenerator[dict[str, Any]]:
        """What one connection brings. Raise Ended."""
        try:
            ws = await self.http.ws_connect(
                f"{self.url}/ws", heartbeat=PING_EVERY_S, proxy=proxy_for(self.url)
            )
        except aiohttp.WSServerHandshakeError as exc:
            if exc.status in REFUSED:
                raise Ended(f"{self.url} answers {exc.status}. Check HUBBUB_TOKEN.") from exc
            raise
        async with ws:
            await ws.send_json({"type": "push", "cursor": self.cursor})
            async for message in ws:
                found = message.json() if message.type is aiohttp.WSMsgType.TEXT else {}
                if found.get("type") == "push":
                    yield found
                elif found.get("type") == "error":
                    raise Ended(str(found["error"]["message"]))
