"""Calls a trusted plug-in: in a thread of its own, so that one that hangs holds up nobody else."""

import asyncio
import contextlib
import ctypes
import inspect
import threading
from collections import ChainMap
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import pluggy

from bot.errors import Refused
from bot.kernel.plugin_calls import Failure, HookCall, PluginResult
from bot.plugins import bugs
from bot.plugins.package import WrongPackage
from bot.plugins.sandbox.contract import Host

LONGEST_RESULT = 256 * 1024
# How long a call may take to end after it was told to.
GRACE_S = 0.2


@dataclass(frozen=True)
class Inside:
    """What the plug-in gets to work with, in its thread."""

    settings: Mapping[str, Any]
    host: Host
    outer: asyncio.AbstractEventLoop

    @property
    def now(self) -> str:
        """The time in UTC, as in 2026-01-31T12:00:00+00:00."""
        return datetime.now(UTC).isoformat(timespec="seconds")

    # What `call` raises, so that plug-ins need not import it.
    Refused = Refused

    async def call(self, operation: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Call an operation. Raise Refused."""
        work = self.host.call(operation, dict(arguments or {}))
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.outer))

    async def get(self, name: str, default: Any = None) -> Any:
        """A value that the plug-in keeps."""
        found = (await self.call("get_value", {"name": name}))["value"]
        return default if found is None else found

    async def change(self, name: str, function: Callable[[Any], Any], default: Any = None) -> Any:
        """Replace a value by what `function` makes of it. None removes it. Return the new one.

        The function may be called again, if another process changed the value in between.
        """
        while True:
            found = await self.call("get_value", {"name": name})
            value = function(default if found["value"] is None else found["value"])
            try:
                put = {"name": name, "value": value, "expected_version": found["version"]}
                await self.call("put_value", put)
            except Refused as exc:
                if exc.code != "version_conflict":
                    raise
            else:
                return value


class _Thread(threading.Thread):
    """One call. `ended` is set in the loop that waits for it."""

    def __init__(self, work: Callable[[], Awaitable[Any]]) -> None:
        super().__init__(name="hubbub-plugin", daemon=True)
        self.outer = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        self.value: Any = None
        self.error: BaseException | None = None
        self._work = work
        self._inner: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    def run(self) -> None:
        try:
            self.value = asyncio.run(self._main())
        except BaseException as exc:  # noqa: BLE001 - the caller gets it
            self.error = exc
        # The process may have ended its loop in the meantime.
        with contextlib.suppress(RuntimeError):
            self.outer.call_soon_threadsafe(self.ended.set)

    async def _main(self) -> Any:
        self._inner, self._task = asyncio.get_running_loop(), asyncio.current_task()
        return await self._work()

    async def stop(self) -> None:
        """End the call: at its next `await`, or else between two steps of its Python code."""
        if self._inner is not None and self._task is not None:
            with contextlib.suppress(RuntimeError):  # its loop is closed
                self._inner.call_soon_threadsafe(self._task.cancel)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), GRACE_S)
        # Another thread may have the number of one that has ended.
        if not self.ended.is_set() and self.ident is not None and self.is_alive():
            identity, raised = ctypes.c_ulong(self.ident), ctypes.py_object(SystemExit)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, raised)


async def run(
    manager: pluggy.PluginManager,
    call: HookCall,
    settings: Mapping[str, Any],
    host: Host,
    timeout_s: float,
) -> PluginResult:
    """Call the hook. What goes wrong is a value."""
    inside = Inside(settings, host, asyncio.get_running_loop())

    async def work() -> Any:
        return await _call(manager, call, inside)

    try:
        return _result(await _run_in_thread(work, timeout_s), bugs.modules_of(manager))
    except TimeoutError:
        return _failure("timed_out", f"It took longer than {timeout_s:g} seconds and was stopped.")


async def load(make: Callable[[], pluggy.PluginManager], timeout_s: float) -> pluggy.PluginManager:
    """Load a plug-in, which imports its code. Raise WrongPackage."""

    async def work() -> Any:
        return make()

    try:
        thread = await _run_in_thread(work, timeout_s)
    except TimeoutError as exc:
        raise WrongPackage(f"It took longer than {timeout_s:g} seconds to load.") from exc
    if isinstance(thread.error, WrongPackage):
        raise thread.error
    if thread.error is not None:
        raise WrongPackage(f"It cannot be loaded: {thread.error!r}") from thread.error
    found: pluggy.PluginManager = thread.value
    return found


async def _run_in_thread(work: Callable[[], Awaitable[Any]], timeout_s: float) -> _Thread:
    """Raise TimeoutError after the work was stopped."""
    thread = _Thread(work)
    thread.start()
    try:
        await asyncio.wait_for(thread.ended.wait(), timeout_s)
    except (TimeoutError, asyncio.CancelledError):
        await thread.stop()
        raise
    return thread


async def _call(manager: pluggy.PluginManager, call: HookCall, inside: Inside) -> Any:
    """What the hook returns. A plug-in may implement one hook by several functions.

    Raise LookupError if there is none.
    """
    hook = manager.hook
    if call.hook == "event":
        for each in hook.on_event(event=call.arguments["event"], hubbub=inside):
            await _value(each)
        return None
    if call.hook == "card_lines":
        found = hook.card_lines(task=call.arguments["task"], hubbub=inside)
        lists = [await _value(each) for each in found]
        return [line for each in lists if isinstance(each, list) for line in each]
    functions = {
        "operation": hook.operations,
        "strategy": hook.strategies,
        "protocol": hook.protocols,
        "panel": hook.panels,
    }[call.hook]()
    function = ChainMap(*functions)[call.name]
    return await _value(function(inside, **call.arguments))


async def _value(given: Any) -> Any:
    return await given if inspect.isawaitable(given) else given


def _result(thread: _Thread, modules: Collection[str]) -> PluginResult:
    error = thread.error
    if isinstance(error, Refused):
        return _failure("error", f"{error.code}: {error.message}")
    if isinstance(error, ValueError):
        return _failure("error", str(error) or "It refused the call without a reason.")
    if error is not None:
        return _failure("trap", bugs.words(error, modules))
    try:
        size = len(orjson.dumps(thread.value))
    except TypeError as exc:
        return _failure("bad_output", f"What it returned is not JSON: {exc}.")
    if size > LONGEST_RESULT:
        return _failure("bad_output", f"What it returned is longer than {LONGEST_RESULT} bytes.")
    return PluginResult(value=thread.value)


def _failure(kind: Any, text: str) -> PluginResult:
    return PluginResult(failure=Failure(kind, text[:1000]))
