"""A client of `hubbub mcp --channel` in a process of its own, as Claude Code starts it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.server_process import environment

# A process may start slowly on a busy machine. No test waits for this time to pass.
PATIENCE_S = 60
INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "claude-code", "version": "2.1.80"},
}


@dataclass
class ChannelSession:
    process: asyncio.subprocess.Process
    # The result of `initialize`.
    declared: dict[str, Any] = field(default_factory=dict)
    # Pushes that came while an answer was awaited.
    _early: list[dict[str, Any]] = field(default_factory=list)
    _last_id: int = 0

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a request."""
        self._last_id += 1
        self._send({"id": self._last_id, "method": method, "params": params})
        while True:
            found = await self._read()
            if found.get("id") == self._last_id:
                return dict(found["result"])
            self._early.append(found)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await self.ask("tools/call", name=tool, arguments=arguments)
        return dict(result["structuredContent"])

    async def push(self) -> dict[str, Any]:
        """The parameters of the next push."""
        found = self._early.pop(0) if self._early else await self._read()
        assert found["method"] == "notifications/claude/channel", found
        return dict(found["params"])

    async def rest(self) -> list[dict[str, Any]]:
        """End the input. Return the pushes that nobody has read."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            out = await self.process.stdout.read()
            await self.process.wait()
        found = [*self._early, *map(json.loads, out.splitlines())]
        return [each["params"] for each in found]

    def notify(self, method: str) -> None:
        self._send({"method": method})

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line = await self.process.stdout.readline()
        assert line, "hubbub mcp ended"
        return dict(json.loads(line))


@asynccontextmanager
async def channel_session(
    given: dict[str, str], folder: Path, *options: str
) -> AsyncIterator[ChannelSession]:
    """`given`: the settings of `hubbub mcp --channel`, as HUBBUB_… variables."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bot", "mcp", *(options or ("--channel",))),
        env=environment(given),
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        session = ChannelSession(process)
        session.declared = await session.ask("initialize", **INITIALIZE)
        session.notify("notifications/initialized")
        yield session
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
