"""Callers of MCP tools over plain sockets, in a process of their own.

Requests are made before the clock starts: what is measured is the server. With `every_s` each
caller pauses so long between its calls, as agents do; the callers begin one after the other.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEAD = (
    "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
    "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
    "{more}Content-Length: {length}\r\n\r\n"
)
MODERN = "2026-07-28"
LEGACY = "2025-11-25"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass(frozen=True)
class Server:
    host: str
    port: int
    path: str = "/mcp"


def request(server: Server, era: str, token: str, tool: str, arguments: dict[str, Any]) -> str:
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    more = f"MCP-Protocol-Version: {LEGACY}\r\n"
    if era == "modern":
        params["_meta"] = META
        more = f"MCP-Protocol-Version: {MODERN}\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n"
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    head = HEAD.format(
        path=server.path,
        host=f"{server.host}:{server.port}",
        token=token,
        more=more,
        length=len(body),
    )
    return head + body


@dataclass
class Caller:
    requests: list[bytes]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def call(self, request: bytes) -> float:
        """Seconds until it is answered. Raise RuntimeError when it is refused.

        A call that had no turn in time is answered, too: after twenty seconds.
        """
        began = time.perf_counter()
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        body = await self._body(head)
        took = time.perf_counter() - began
        refused = b'"isError":true' in body and b"rate_limited" not in body
        if not head.startswith(b"http/1.1 200") or refused:
            raise RuntimeError((head + body).decode())
        return took

    async def _body(self, head: bytes) -> bytes:
        if b"content-length:" in head:
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            return await self.reader.readexactly(length)
        parts = []
        while size := int(await self.reader.readline(), 16):
            parts.append(await self.reader.readexactly(size + 2))
        await self.reader.readline()
        return b"".join(parts)


async def run(server: Server, made: list[list[str]], every_s: float) -> dict[str, Any]:
    """How long all took, how long each call took, and the processor's time of the callers."""
    callers = [
        Caller(
            [each.encode() for each in requests],
            *await asyncio.open_connection(server.host, server.port, limit=2**22),
        )
        for requests in made
    ]
    took: list[float] = []
    began, spent = time.perf_counter(), time.process_time()

    async def go(n: int, caller: Caller) -> None:
        for k, request in enumerate(caller.requests):
            due = began + (n / len(callers) + k) * every_s
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            took.append(await caller.call(request))

    await asyncio.gather(*(go(n, caller) for n, caller in enumerate(callers)))
    ended = time.perf_counter()
    for each in callers:
        each.writer.close()
    return {"seconds": ended - began, "took": took, "cpu": time.process_time() - spent}


if __name__ == "__main__":
    plan = json.loads(Path(sys.argv[1]).read_text())
    done = asyncio.run(run(Server(**plan["server"]), plan["requests"], plan["every_s"]))
    print(json.dumps(done))  # noqa: T201
