"""`hubbub` commands in the test's own process: to start one of their own takes a second."""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import structlog
from typer.testing import CliRunner

from bot.__main__ import main


async def hubbub(
    *words: str, folder: Path, encoding: str = "utf-8", **given: str
) -> tuple[int, str, str]:
    """Run a command to its end: exit code, standard output, standard error.

    In a thread, because a command runs a loop of its own. `encoding`: of its input and output.
    """
    return await asyncio.to_thread(_run, words, folder, encoding, given)


def _run(
    words: tuple[str, ...], folder: Path, encoding: str, given: dict[str, str]
) -> tuple[int, str, str]:
    inherited = dict.fromkeys(name for name in os.environ if name.startswith("HUBBUB_"))
    with (
        contextlib.chdir(folder),
        own_logs(),
        CliRunner(charset=encoding).isolation(env=inherited | given) as (out, err, _),
    ):
        code = _exit_code(words)
        for each in (sys.stdout, sys.stderr):
            each.flush()
        return code, out.getvalue().decode(), err.getvalue().decode()


def _exit_code(words: tuple[str, ...]) -> int:
    try:
        main(words)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    return 0


@contextlib.contextmanager
def own_logs() -> Iterator[None]:
    """Undo what a command sets up for its process."""
    config, root = structlog.get_config(), logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, sys.excepthook
    server = logging.getLogger("aiohttp.server")
    filters = server.filters[:]
    # Otherwise pytest's own handlers would keep the command from adding one.
    root.handlers.clear()
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        sys.excepthook = hook
        root.handlers[:] = handlers
        server.filters[:] = filters
        root.setLevel(level)
        structlog.configure(**config)
