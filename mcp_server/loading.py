"""Loads modules that need the MCP library while the server runs: one thread at a time.

Of modules that import each other, two threads may each begin one and wait for the other's. Python
ends that by giving one of them a module that is not finished, and its import fails.
"""

import asyncio
import threading
from importlib import import_module
from types import ModuleType

_loads = threading.Lock()


async def load(*names: str) -> list[ModuleType]:
    return await asyncio.to_thread(_load, names)


def _load(names: tuple[str, ...]) -> list[ModuleType]:
    with _loads:
        return [import_module(each) for each in names]
