"""Compiled components, kept in a folder: compiling takes seconds, loading what was compiled 5 ms.

Compiled code is machine code that is run as it is, so the folder belongs to the server alone.
"""

import asyncio
import os
import platform
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from bot.child_processes import ending
from bot.kernel.plugin_calls import Failure, FailureKind
from bot.plugins.sandbox.contract import Code, Limits

COMPILER = Path(__file__).with_name("component_compiler.py")
COMPILE_S = 180.0
MAGIC = b"\0asm"
# Another number where `engine_config` changes: old code does not fit it.
CONFIG = 1
# The least recently used are removed above this. A component of Python takes 43 MB.
MOST_BYTES = 1 << 30


class CannotCompile(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class CompiledComponents:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def path(self, code: Code, limits: Limits) -> Path:
        """The file of the compiled code; compile it if there is none. Raise CannotCompile."""
        name = f"{code.sha256}-{version('wasmtime')}-{platform.machine()}-{CONFIG}.cwasm"
        path = self._folder / name
        async with self._locks[name]:
            if not path.exists():
                await self._compile(await code.read(), path, limits)
            os.utime(path)
        return path

    async def _compile(self, content: bytes, path: Path, limits: Limits) -> None:
        if not content.startswith(MAGIC):
            raise _cannot("refused", "it is no WebAssembly")
        if len(content) > limits.code_bytes:
            raise _cannot("refused", f"it has more than {limits.code_bytes >> 20} MiB")
        self._make_private()
        with self._empty_file() as made:
            await _run_compiler(content, made)
            _write_through(made)
            made.replace(path)
        self._remove_oldest(path)

    def _make_private(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self._folder.stat()
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise _cannot("refused", f"others may write to {self._folder}: make it private")

    @contextmanager
    def _empty_file(self) -> Iterator[Path]:
        handle, name = tempfile.mkstemp(dir=self._folder, suffix=".part")
        os.close(handle)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _remove_oldest(self, kept: Path) -> None:
        found = []
        for each in self._folder.glob("*.cwasm"):
            with suppress(FileNotFoundError):  # another process removes them too
                found.append((each.stat().st_mtime_ns, each.stat().st_size, each))
        total = sum(size for _, size, _ in found)
        for _, size, each in sorted(found):
            if total > MOST_BYTES and each != kept:
                each.unlink(missing_ok=True)
                total -= size


def _write_through(file: Path) -> None:
    """So that a machine that loses its power keeps the whole file, or none."""
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cannot(kind: FailureKind, why: str) -> CannotCompile:
    return CannotCompile(Failure(kind, f"The component cannot be compiled: {why}."))


async def _run_compiler(content: bytes, made: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(COMPILER),
        str(made),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={},
    )
    try:
        async with asyncio.timeout(COMPILE_S):
            _, said = await process.communicate(content)
    except TimeoutError as exc:
        raise _cannot("timed_out", f"it takes longer than {COMPILE_S:.0f} s") from exc
    finally:
        if process.returncode is None:
            await ending.kill(process, group=False)
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines()
        why = lines[-1][:500] if lines else f"the compiler ended with {process.returncode}"
        raise _cannot("refused", why.rstrip("."))
