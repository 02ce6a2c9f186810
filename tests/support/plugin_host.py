"""A host of plug-ins that keeps what it is asked, and answers at once or never."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from bot.errors import Refused


class RecordingHost:
    fetch: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]] | None = None

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.is_waiting = asyncio.Event()
        self.was_cancelled = False

    async def call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((operation, arguments))
        if operation == "wait":
            await self._wait()
        if operation == "bug":
            raise ZeroDivisionError
        if operation == "refuse":
            raise Refused("forbidden", "Not this one.")
        return {"long": "x" * 2_000_000} if operation == "long" else {"called": operation}

    async def _wait(self) -> None:
        self.is_waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
