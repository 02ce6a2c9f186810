"""One WebSocket connection, on which no client can make the server wait for ever."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from aiohttp import WSCloseCode, WSMessage, web

from bot.errors import failure
from bot.identity.revocations import LOOK_EVERY_S


@dataclass(frozen=True)
class Patience:
    """`send_s`: how long a client may accept no data. `close_s`: how long a close may take.

    `stop_s`: the same, when the server stops.
    """

    send_s: float = 60.0
    close_s: float = 2.0
    stop_s: float = 1.0
    look_every_s: float = LOOK_EVERY_S


@dataclass(eq=False)
class Connection:
    ws: web.WebSocketResponse
    request: web.Request
    patience: Patience

    async def receive(self, handle: Callable[[WSMessage], Awaitable[None]]) -> None:
        """Handle messages until one side closes the connection."""
        try:
            async for message in self.ws:
                await handle(message)
        except ConnectionError:
            return
        finally:
            self._abort_after(self.patience.close_s)

    async def send(self, frame: dict[str, Any]) -> None:
        """Wait while the client does not read, but no longer than `send_s`."""
        abort = self._abort_after(self.patience.send_s)
        try:
            # All senders of an aiohttp connection wait for one future. A sender that is
            # cancelled would cancel the future of all others; the shield prevents this.
            await asyncio.shield(self.ws.send_str(json.dumps(frame, ensure_ascii=False)))
        finally:
            abort.cancel()

    async def close(self, code: WSCloseCode, reason: str, within_s: float | None = None) -> None:
        """Close, also if the client does not answer."""
        self._abort_after(2 * self.patience.close_s if within_s is None else within_s)
        await self.ws.close(code=code, message=reason.encode())

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Work for the client until it is gone. A bug closes the connection."""
        try:
            await work()
        except ConnectionError:
            return
        except Exception as exc:  # noqa: BLE001 - every bug is logged and answered
            await self.close(WSCloseCode.INTERNAL_ERROR, failure(exc, path="/ws").code)

    def _abort_after(self, seconds: float) -> asyncio.TimerHandle:
        """Then drop the connection, with what the client has not read."""
        return asyncio.get_running_loop().call_later(seconds, self._abort)

    def _abort(self) -> None:
        if self.request.transport is not None:
            self.request.transport.abort()
