"""Runs a plug-in as a process under bubblewrap: a new one for each call, 60 ms.

It talks in lines of JSON by stdin and stdout: `{"hook", "json"}` goes in, `{"call", "json"}` comes
out and is answered by `{"ok"}` or `{"err"}`, and `{"answer"}` or `{"failed"}` ends it.
"""

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import orjson

from bot.child_processes import ending
from bot.child_processes.confinement import bwrap_path
from bot.kernel.plugin_calls import Failure, FailureKind
from bot.plugins.sandbox.bubblewrap import command
from bot.plugins.sandbox.contract import Code, Limits
from bot.plugins.sandbox.host_calls import HostCalls
from bot.plugins.sandbox.outcome import FLOODED_HOST, FLOODED_LOG, Log, Outcome, guest_error
from bot.plugins.sandbox.seccomp import UnknownMachine, filter_of

MISSING = (
    "Plug-ins that are processes need bubblewrap, and they are never run without it:"
    " apt-get install bubblewrap."
)
# JSON in JSON: each character may be escaped once more.
ESCAPED = 6


class _Ended(Exception):
    """The guest is at its end, or is stopped."""

    def __init__(self, failure: Failure | None = None, answer: str | None = None) -> None:
        super().__init__(failure.text if failure else "")
        self.failure = failure
        self.answer = answer


async def run_process(
    code: Code, hook: str, given: str, limits: Limits, calls: HostCalls
) -> Outcome:
    bwrap = bwrap_path()
    if bwrap is None:
        return Outcome(failure=Failure("missing_runtime", MISSING))
    content = await code.read()
    if len(content) > limits.code_bytes:
        most = limits.code_bytes >> 20
        return Outcome(failure=Failure("refused", f"The code has more than {most} MiB."))
    try:
        process = await _start(bwrap, content, code.entry, limits)
    except UnknownMachine as exc:
        return Outcome(failure=Failure("missing_runtime", f"No process can be confined: {exc}."))
    guest = _Guest(process, limits, calls)
    try:
        return await guest.run(hook, given)
    finally:
        await guest.kill()


async def _start(bwrap: str, content: bytes, entry: str, limits: Limits) -> Process:
    with _in_memory(content) as code, _in_memory(filter_of()) as seccomp:
        return await asyncio.create_subprocess_exec(
            *command(bwrap, code, seccomp, entry, limits),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={},
            pass_fds=(code, seccomp),
            # A Ctrl-C at the server's terminal is not for it.
            start_new_session=True,
            limit=max(limits.output_bytes, limits.host_call_bytes) * ESCAPED,
        )


@contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """A file without a name, which the child reads from its beginning."""
    handle = os.memfd_create("hubbub-plugin")
    try:
        with os.fdopen(handle, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(handle, 0, os.SEEK_SET)
        yield handle
    finally:
        os.close(handle)


class _Guest:
    def __init__(self, process: Process, limits: Limits, calls: HostCalls) -> None:
        self._process = process
        self._limits = limits
        self._calls = calls
        self._log = Log(limits.log_bytes)
        self._is_ready = False

    async def run(self, hook: str, given: str) -> Outcome:
        logging = asyncio.create_task(self._keep_log())
        try:
            ended = await self._end_of_talk(hook, given)
            if ended.failure is not None or ended.answer is not None:
                self._kill()
            await logging
        finally:
            logging.cancel()
            await asyncio.gather(logging, return_exceptions=True)
        failure = ended.failure
        if failure is None and ended.answer is None:
            failure = await self._why()
        return Outcome(ended.answer, failure, self._log.text())

    async def _end_of_talk(self, hook: str, given: str) -> _Ended:
        try:
            async with asyncio.timeout(self._limits.wall_s):
                await self._talk(hook, given)
        except TimeoutError:
            return _end("timed_out", f"It took longer than {self._limits.wall_s:g} s.")
        except _Ended as exc:
            return exc
        raise AssertionError("a guest talks until it ends")

    async def kill(self) -> None:
        """Kill bwrap, and with it everything in its namespace of processes."""
        await ending.kill(self._process, group=True)

    def _kill(self) -> None:
        ending.send_signal(self._process, signal.SIGKILL, group=True)

    async def _talk(self, hook: str, given: str) -> None:
        """Until _Ended is raised."""
        await self._read()  # that it is ready
        self._is_ready = True
        await self._send({"hook": hook, "json": given})
        while True:
            message = await self._read()
            match message:
                case {"call": str(operation), "json": str(text)}:
                    if self._calls.is_flooded:
                        raise _Ended(FLOODED_HOST)
                    succeeded, answer = await self._calls.answer(operation, text)
                    await self._send({"ok" if succeeded else "err": answer})
                case {"answer": str(answer)}:
                    raise _Ended(answer=answer)
                case {"failed": str(text)}:
                    raise _Ended(guest_error(text))
                case _:
                    raise _end("bad_output", "It wrote a line that is not of the protocol.")

    async def _read(self) -> Any:
        assert self._process.stdout is not None
        try:
            line = await self._process.stdout.readline()
            if not line:
                raise _Ended
            return orjson.loads(line)
        except orjson.JSONDecodeError as exc:
            raise _end("bad_output", "It wrote a line that is not JSON.") from exc
        except ValueError as exc:  # longer than the reader's limit
            raise _end("bad_output", "It wrote a line that is too long.") from exc

    async def _send(self, message: dict[str, str]) -> None:
        assert self._process.stdin is not None
        with suppress(ConnectionError):  # then the next line says that it ended
            self._process.stdin.write(orjson.dumps(message) + b"\n")
            await self._process.stdin.drain()

    async def _keep_log(self) -> None:
        """Read all, so that the guest never waits; a flood ends it."""
        assert self._process.stderr is not None
        while content := await self._process.stderr.read(1 << 16):
            self._log.write(content)
            if self._log.is_flooded:
                self._kill()

    async def _why(self) -> Failure:
        """Why it ended without an answer."""
        status = await self._process.wait()
        said = self._log.text()
        if self._log.is_flooded:
            return FLOODED_LOG
        if not self._is_ready:
            return Failure("missing_runtime", f"bubblewrap cannot confine a process: {said[:500]}")
        if "MemoryError" in said:
            return Failure("out_of_memory", "It needs more memory than it may have.")
        # bwrap ends with 128 and the number of the signal that ended the process.
        number = -status if status < 0 else status - 128
        if number in (signal.SIGXCPU, signal.SIGKILL):
            return Failure("out_of_fuel", "It was killed: it computed for too long.")
        return Failure("trap", f"It ended with status {status}, without an answer.")


def _end(kind: FailureKind, text: str) -> _Ended:
    return _Ended(Failure(kind, text))
