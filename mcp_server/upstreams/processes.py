"""MCP servers as child processes: each in a process group of its own, bounded, killed at the end.

The library's own transport inherits variables of this process and reads lines of any length.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client._transport import TransportStreams
from mcp.shared.message import SessionMessage

from bot.child_processes import ending
from bot.foreign_json import readable
from bot.tool_servers.connections import Unavailable
from bot.tool_servers.operator_file import Process as Wanted
from mcp_server.upstreams.exchange import MOST_BYTES
from mcp_server.upstreams.pace import Pace

# Between the end of its input, SIGTERM and SIGKILL.
PATIENCE_S = 1.0
LONGEST_LOG_LINE = 1000
# Has Linux kill the server when this process is killed, then becomes the server.
LAUNCHER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execvpe(sys.argv[2], sys.argv[2:], os.environ)
"""
Log = Callable[[str], None]
Read = MemoryObjectSendStream[SessionMessage | Exception]
Write = MemoryObjectReceiveStream[SessionMessage]


@asynccontextmanager
async def running(
    wanted: Wanted, log: Log, ended: Callable[[], None]
) -> AsyncIterator[TransportStreams]:
    """Start the server; end it and all processes of its group at the end. Raise Unavailable.

    `ended`: is called when it says no more, because it ended or broke the rules.
    """
    process = await _start(wanted)
    to_session, read_stream = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write_stream, from_session = anyio.create_memory_object_stream[SessionMessage](0)
    tasks = [
        asyncio.create_task(_read(process, to_session, ended)),
        asyncio.create_task(_write(process, from_session)),
    ]
    logging = asyncio.create_task(_log(process, log))
    try:
        yield read_stream, write_stream
    finally:
        with anyio.CancelScope(shield=True):
            await _cancel(*tasks)
            await _end(process, logging)
            for stream in (to_session, read_stream, write_stream, from_session):
                stream.close()


async def _start(wanted: Wanted) -> Process:
    command = list(wanted.command)
    # By the path of the server's own variables, if it has one.
    found = shutil.which(command[0], path=wanted.env.get("PATH", os.defpath))
    if found is None:
        raise Unavailable(
            "unreachable",
            f"The server cannot be started: there is no program {command[0]!r} in its PATH. Name "
            "the program by its whole path in the operator's file.",
        )
    command[0] = found
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid()), *command]
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=dict(wanted.env),
            cwd=wanted.folder,
            start_new_session=True,
            limit=MOST_BYTES,
        )
    except OSError as exc:
        raise Unavailable(
            "unreachable",
            f"The server cannot be started: {exc.strerror or exc}. Its command is in the "
            "operator's file.",
        ) from exc


async def _read(process: Process, to_session: Read, ended: Callable[[], None]) -> None:
    """Hand on its messages. What is no message is left out, as servers print other things too."""
    assert process.stdout
    pace = Pace()
    try:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, ValueError, OSError):
            while line := await process.stdout.readline():
                if message := _message(line):
                    await to_session.send(SessionMessage(message))
                await pace.keep(1)
    finally:
        to_session.close()
        ended()


def _message(line: bytes) -> types.JSONRPCMessage | None:
    """An answer that cannot be read becomes an error, because its caller waits for it."""
    text = readable(line)
    with suppress(ValueError):
        return types.jsonrpc_message_adapter.validate_json(text, by_name=False)
    with suppress(ValueError, RecursionError):
        match json.loads(text):
            case {"jsonrpc": _, "id": int() | str() as number, **rest} if "method" not in rest:
                error = types.ErrorData(code=types.PARSE_ERROR, message="It cannot be read.")
                return types.JSONRPCError(jsonrpc="2.0", id=number, error=error)
    return None


async def _write(process: Process, from_session: Write) -> None:
    assert process.stdin
    with suppress(OSError):
        async for each in from_session:
            text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
            process.stdin.write(text.encode() + b"\n")
            await process.stdin.drain()


async def _log(process: Process, log: Log) -> None:
    """Hand on what it says on its standard error, line by line."""
    assert process.stderr
    pace, rest = Pace(), b""
    while chunk := await process.stderr.read(4096):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > LONGEST_LOG_LINE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            if text := line.decode(errors="replace").strip()[:LONGEST_LOG_LINE]:
                log(text)
        await pace.keep(len(lines))


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _end(process: Process, logging: asyncio.Task[None]) -> None:
    """By the end of its input, then by signals to its whole group."""
    assert process.stdin
    process.stdin.close()
    if not await _ends(process, logging):
        ending.send_signal(process, signal.SIGTERM, group=True)
        await _ends(process, logging)
    await _cancel(logging)
    # Also for those that it left behind.
    await ending.kill(process, group=True)


async def _ends(process: Process, logging: asyncio.Task[None]) -> bool:
    """Whether it ends soon. What it says last is logged."""
    assert process.stdout
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            await ending.read_rest(process.stdout)
            await asyncio.wait({logging})
            await process.wait()
            return True
    return False
