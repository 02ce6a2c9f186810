"""The end of a program that Hubbub started: it always comes, and nobody waits for it for ever."""

import asyncio
import os
import signal
from asyncio import StreamReader
from asyncio.subprocess import Process
from contextlib import suppress

# How long something that outlived its own group may hold the pipes open.
PIPES_S = 2.0


def send_signal(process: Process, which: signal.Signals, *, group: bool) -> None:
    """`group`: also to all that it started. It needs a session of its own for that.

    Before Python 3.13, Process.kill() races with asyncio for the child's status, which is then
    255 with a warning: https://github.com/python/cpython/issues/87744
    """
    with suppress(ProcessLookupError, PermissionError):
        if group:
            os.killpg(process.pid, which)
        elif process.returncode is None:
            os.kill(process.pid, which)


async def kill(process: Process, *, group: bool, pipes_s: float = PIPES_S) -> None:
    """Kill it and wait for its end. Nobody else may read its pipes meanwhile."""
    send_signal(process, signal.SIGKILL, group=group)
    pipes = [each for each in (process.stdout, process.stderr) if each is not None]
    try:
        async with asyncio.timeout(pipes_s):
            await asyncio.gather(*map(read_rest, pipes))
            await process.wait()
    except TimeoutError:
        # Somebody in another session has them. asyncio has no public way to let go of the pipes.
        process._transport.close()  # type: ignore[attr-defined] # noqa: SLF001
        await process.wait()


async def read_rest(pipe: StreamReader) -> None:
    """Read and forget what is left.

    asyncio sees the end of a process only at the end of its pipes, and it stops reading them when
    much is unread.
    """
    with suppress(OSError):
        while await pipe.read(1 << 16):
            pass
