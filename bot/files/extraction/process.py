"""Runs the program that reads text out of a file: apart from the server, with limits."""

import asyncio
import json
import shutil
import signal
import site
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import structlog

from bot.child_processes import confinement, ending
from bot.files import file_types
from bot.kernel.fair_turns import Turns

log = structlog.get_logger()

WORKER = Path(__file__).with_name("worker.py")
# Seconds. The worker's own limit of processor time is shorter.
TIMEOUT_S = 20.0
# Bytes of its answer: a million characters, each at most six bytes as JSON writes them.
MOST_ANSWER = 8 * 2**20
# Files that one process of the server reads at once, and those of one installation.
AT_ONCE = (2, 1)
TOO_LONG = "reading it takes longer than is allowed"
Reader: TypeAlias = Literal["pdf", "docx", "html", "text"]
READERS: Mapping[str, Reader] = {
    file_types.PDF: "pdf",
    file_types.DOCX: "docx",
    "text/html": "html",
}


@dataclass(frozen=True)
class Extracted:
    """`text` None: there is none. `note`: why, or what is missing."""

    text: str | None
    note: str | None = None


def reader_of(kind: str) -> Reader | None:
    """Who reads files of this type. None: nobody."""
    if (found := READERS.get(kind)) is not None:
        return found
    return "text" if file_types.family(kind) == "text" else None


class Processes:
    """Runs a few at once. `sandbox`: the command before the command; None: the best there is."""

    def __init__(self, timeout_s: float = TIMEOUT_S, sandbox: Sequence[str] | None = None) -> None:
        self.timeout_s = timeout_s
        self._sandbox = sandbox
        self._turns = Turns(*AT_ONCE)

    async def extract(
        self, reader: Reader, content: AsyncIterator[bytes], installation_id: int = 0
    ) -> Extracted:
        """Never raises because of the file. Raise what `content` raises."""
        async with self._turns.one(installation_id):
            if self._sandbox is None:
                self._sandbox = await best_sandbox()
            process = await _start([*self._sandbox, *command(reader)])
            feeding = asyncio.create_task(_feed(process, content))
            try:
                async with asyncio.timeout(self.timeout_s):
                    answer = await _answer(process)
                    status = 0 if answer is None else await process.wait()
            except TimeoutError:
                return Extracted(None, TOO_LONG)
            finally:
                feeding.cancel()
                (problem,) = await asyncio.gather(feeding, return_exceptions=True)
                await ending.kill(process, group=True)
        if isinstance(problem, Exception):
            # What was read is only the beginning of the file.
            raise problem
        return _read(answer, status)


def command(reader: str) -> list[str]:
    """Without the settings of the user, and without what is in the current folder."""
    return [sys.executable, "-I", str(WORKER), reader]


async def _start(words: Sequence[str]) -> Process:
    # A group of its own, so that nothing of it can outlive it. The environment has secrets.
    return await asyncio.create_subprocess_exec(
        *words,
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        start_new_session=True,
    )


async def _feed(process: Process, content: AsyncIterator[bytes]) -> None:
    assert process.stdin is not None
    try:
        with suppress(ConnectionError):
            async for part in content:
                process.stdin.write(part)
                await process.stdin.drain()
    finally:
        process.stdin.close()


async def _answer(process: Process) -> bytes | None:
    """What it writes, or None if that is too much."""
    assert process.stdout is not None
    found = bytearray()
    while part := await process.stdout.read(65_536):
        found += part
        if len(found) > MOST_ANSWER:
            return None
    return bytes(found)


def _read(answer: bytes | None, status: int) -> Extracted:
    if abs(status) % 128 in (signal.SIGXCPU, signal.SIGKILL):
        return Extracted(None, TOO_LONG)
    try:
        found = json.loads(answer or b"")
        return Extracted(found["text"], found["note"])
    except (ValueError, KeyError, TypeError):
        return Extracted(None, "the program that reads files could not read it")


async def best_sandbox() -> list[str]:
    """What keeps the worker from the network and from files: bubblewrap, unshare, or nothing."""
    bwrap = confinement.bwrap_path()
    ways = [_bubblewrap(bwrap)] if bwrap else []
    ways.append(["unshare", "--user", "--map-root-user", "--net"])
    for words in ways:
        if shutil.which(words[0]) is None:
            continue
        process = await _start([*words, sys.executable, "-I", "-c", ""])
        assert process.stdin is not None
        process.stdin.close()
        if await process.wait() == 0:
            return words
    log.warning("files are read without a sandbox", remedy="install bubblewrap")
    return []


def _bubblewrap(bwrap: str) -> list[str]:
    """Only Python and its packages can be seen, and nothing can be written."""
    seen = {sys.prefix, sys.base_prefix, str(WORKER.parent), *site.getsitepackages()}
    given = [*map(confinement.bind, sorted(seen)), ("--setenv", "LC_ALL", "C.UTF-8")]
    return confinement.command(bwrap, given, folder="/")
