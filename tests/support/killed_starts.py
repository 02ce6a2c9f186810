"""Starts a workflow in processes that are killed, each at another point of the code.

A point is the return of an async function of the modules below, as a start passes it. Arguments:
the address of the database, the installation, the time in microseconds. It prints each point.
"""

import asyncio
import functools
import importlib
import inspect
import os
import signal
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from bot.workflows import effects
from store.engine.database import open_store

MODULES = (
    "bot.operations.workflows.starting",
    "bot.operations.workflows.parents",
    "bot.operations.workflows.start_checks",
    "bot.operations.tasks.planning",
    "bot.workflows.starting.first_rows",
    "bot.workflows.execution.shared_values",
    "bot.workflows.execution.workflow_log",
    "bot.workflows.execution.advance",
    "bot.workflows.execution.flows",
    "bot.workflows.execution.actions",
    "bot.workflows.execution.opening",
)
CALL = {"name": "feature", "repository": "acme/rocket", "inputs": {"feature": "x"}}
KEY = "killed"
# The transaction has committed, and nobody has the answer.
COMMITTED = "after the commit"


def watch(passed: Callable[[str], None]) -> None:
    """Call `passed` with the name of each async function of the modules, when it returns."""
    for name in MODULES:
        module = importlib.import_module(name)
        for function in vars(module).copy().values():
            if inspect.iscoroutinefunction(function) and function.__module__ == name:
                _wrap(module, function, passed)


def _wrap(module: ModuleType, function: Any, passed: Callable[[str], None]) -> None:
    @functools.wraps(function)
    async def wrapped(*given: Any, **named: Any) -> Any:
        found = await function(*given, **named)
        passed(f"{module.__name__}.{function.__name__}")
        return found

    setattr(module, function.__name__, wrapped)


async def start(url: str, installation_id: int, now: int, key: str) -> None:
    store = await open_store(url, lambda: now, before_commit=effects.follow)
    dispatcher = Dispatcher(store, Shared(Keys("0" * 64)))
    actor = Actor(installation_id, "ada", "developer")
    await dispatcher.call(actor, "start_workflow", CALL, key)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run_killed(point: str, url: str, installation_id: int, now: int) -> int:
    """Start it in a process that is killed at the point. Return how that ended."""
    if child := os.fork():
        return os.waitpid(child, 0)[1]
    watch(lambda at: kill() if at == point else None)
    asyncio.run(start(url, installation_id, now, KEY))
    kill()
    return 0


def points(url: str, installation_id: int, now: int) -> list[str]:
    """Those that a start passes, found in a process of their own whose start is not committed."""
    reader, writer = os.pipe()
    if child := os.fork():
        os.close(writer)
        with os.fdopen(reader) as found:
            names = found.read().split()
        os.waitpid(child, 0)
        return list(dict.fromkeys(names))
    last = "bot.workflows.execution.advance.follow"

    def note(at: str) -> None:
        os.write(writer, f"{at}\n".encode())
        if at == last:
            kill()

    watch(note)
    asyncio.run(start(url, installation_id, now, KEY))
    kill()
    return []


def main() -> None:
    url, installation_id, now = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    for point in [*points(url, installation_id, now), COMMITTED]:
        status = run_killed(point, url, installation_id, now)
        print(point, os.WTERMSIG(status))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main()
