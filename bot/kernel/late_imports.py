"""Imports modules beside the work of a server, in a thread of its own, one after another.

Of modules that import each other, two threads may each begin one and wait for the other's. Python
ends that by giving one of them a module that is not finished, and its import fails.

Requests go first: the thread gives way to them ten times as often as Python's default. A process
that stops does not wait for it.
"""

import asyncio
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from types import ModuleType

THREAD = "loader"
LOADER = ThreadPoolExecutor(1, thread_name_prefix=THREAD)
GIVE_WAY_EVERY_S = 0.0005

# Python's own table also has modules of which the thread has loaded a half.
_loaded: dict[str, ModuleType] = {}


class Stopped(BaseException):
    """No library takes it for a module that is not installed."""


class _NoMore:
    """A finder of Python, which asks it before it loads a module. It finds none."""

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: object = None) -> None:
        if threading.current_thread().name.startswith(THREAD):
            raise Stopped(name)


async def load(name: str) -> ModuleType:
    if name not in _loaded:
        loop = asyncio.get_running_loop()
        try:
            _loaded[name] = await loop.run_in_executor(LOADER, _load, name)
        except Stopped as exc:
            raise asyncio.CancelledError("the process stops") from exc
    return _loaded[name]


def _load(name: str) -> ModuleType:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(GIVE_WAY_EVERY_S)
    try:
        return import_module(name)
    finally:
        sys.setswitchinterval(usual)


def stop() -> None:
    """Load nothing more, because the process ends."""
    sys.meta_path.insert(0, _NoMore())
