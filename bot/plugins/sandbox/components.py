"""Runs WebAssembly components. Each call gets an engine and an instance of its own: 5 ms.

An engine of its own lets one guest be stopped at once, by its epoch, without touching the others.
"""

import asyncio
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from pathlib import Path

from wasmtime import Engine, Store, StoreContext, WasmtimeError
from wasmtime.component import Component, Linker, Variant

from bot.kernel.plugin_calls import Failure
from bot.plugins.sandbox.compiled import CannotCompile, CompiledComponents
from bot.plugins.sandbox.component_compiler import engine_config
from bot.plugins.sandbox.component_types import EXPORT, IMPORT, misfit
from bot.plugins.sandbox.contract import Code, Limits
from bot.plugins.sandbox.host_calls import HostCalls
from bot.plugins.sandbox.outcome import FLOODED_HOST, FLOODED_LOG, Log, Outcome, guest_error
from bot.plugins.sandbox.trap_words import failure_of_trap

# What a component of CPython needs, and some room.
MOST_INSTANCES, MOST_TABLES, MOST_TABLE_ELEMENTS, MOST_MEMORIES = 64, 4, 40_000, 1
# The reserved operation by which a guest writes to its log; it is no call of the host.
LOG = "log"


@dataclass(frozen=True)
class Tools:
    """What the runs of one process share."""

    compiled: CompiledComponents
    threads: Executor


async def run_component(
    tools: Tools,
    code: Code,
    hook: str,
    given: str,
    limits: Limits,
    calls: HostCalls,
    *,
    is_again: bool = False,
) -> Outcome:
    try:
        path = await tools.compiled.path(code, limits)
    except CannotCompile as exc:
        return Outcome(failure=exc.failure)
    guest = _Guest(limits, calls, asyncio.get_running_loop())
    try:
        async with asyncio.timeout(limits.wall_s):
            return await guest.run_in(tools.threads, path, hook, given)
    except TimeoutError:
        text = f"It took longer than {limits.wall_s:g} s."
        return Outcome(failure=Failure("timed_out", text), log=guest.log.text())
    except BrokenCode:
        # What a disk lost, or another release wrote. Compiled again, it is whole.
        path.unlink(missing_ok=True)
        if is_again:
            raise
    return await run_component(tools, code, hook, given, limits, calls, is_again=True)


async def check_component(
    compiled: CompiledComponents, code: Code, limits: Limits
) -> Failure | None:
    """Compile it, and check its types without running it."""
    try:
        path = await compiled.path(code, limits)
    except CannotCompile as exc:
        return exc.failure
    engine = Engine(engine_config())
    try:
        wrong = misfit(engine, load(engine, path))
    except BrokenCode:
        path.unlink(missing_ok=True)
        path = await compiled.path(code, limits)
        wrong = misfit(engine, load(engine, path))
    return _refusal(wrong) if wrong else None


class BrokenCode(Exception):
    """Compiled code cannot be loaded."""


def load(engine: Engine, path: Path) -> Component:
    """Raise BrokenCode."""
    try:
        return Component.deserialize_file(engine, str(path))
    except WasmtimeError as exc:
        raise BrokenCode(str(exc)) from exc


def _refusal(why: str) -> Failure:
    return Failure("refused", f"It cannot be run: {why}.")


class _Guest:
    """One instance, in a thread. The loop answers its calls, and may stop it at any moment."""

    def __init__(self, limits: Limits, calls: HostCalls, loop: asyncio.AbstractEventLoop) -> None:
        self._limits = limits
        self._calls = calls
        self._loop = loop
        self._engine = Engine(engine_config())
        self._is_stopped = False
        self._pending: Future[tuple[bool, str]] | None = None
        self._ended_by: Failure | None = None
        self._bug: Exception | None = None
        self.log = Log(limits.log_bytes)

    async def run_in(self, threads: Executor, path: Path, hook: str, given: str) -> Outcome:
        running = self._loop.run_in_executor(threads, self._run, path, hook, given)
        try:
            outcome = await asyncio.shield(running)
        except asyncio.CancelledError:
            self._stop()
            await asyncio.wait([running])
            raise
        if self._bug is not None:
            raise self._bug
        return outcome

    def _stop(self) -> None:
        self._is_stopped = True
        self._engine.increment_epoch()
        if self._pending is not None:
            self._pending.cancel()

    def _run(self, path: Path, hook: str, given: str) -> Outcome:
        """In the thread."""
        with self._store() as store:
            try:
                answer = self._handle(store, path, hook, given)
            except _Misfit as exc:
                return Outcome(failure=_refusal(str(exc)))
            except WasmtimeError as exc:
                failure = self._ended_by or failure_of_trap(str(exc))
                return self._outcome(store, failure=failure)
            if answer.tag == "ok":
                return self._outcome(store, answer=answer.payload)
            return self._outcome(store, failure=guest_error(str(answer.payload)))

    def _outcome(
        self, store: Store, *, answer: str | None = None, failure: Failure | None = None
    ) -> Outcome:
        return Outcome(answer, failure, self.log.text(), self._limits.fuel - store.get_fuel())

    def _store(self) -> Store:
        store = Store(self._engine)
        store.set_limits(
            memory_size=self._limits.memory_bytes,
            table_elements=MOST_TABLE_ELEMENTS,
            instances=MOST_INSTANCES,
            tables=MOST_TABLES,
            memories=MOST_MEMORIES,
        )
        store.set_fuel(self._limits.fuel)
        # The next epoch ends it. Fuel is the bound of what one instruction may do.
        store.set_epoch_deadline(1)
        return store

    def _handle(self, store: Store, path: Path, hook: str, given: str) -> Variant:
        component = load(self._engine, path)
        if wrong := misfit(self._engine, component):
            raise _Misfit(wrong)
        linker = Linker(self._engine)
        with linker.root() as root:
            root.add_func(IMPORT, self._answer)
        self._check_not_stopped()
        instance = linker.instantiate(store, component)
        handle = instance.get_func(store, EXPORT)
        if handle is None:
            raise _Misfit(f"it exports no `{EXPORT}`")
        found: Variant = handle(store, hook, given)
        return found

    def _answer(self, _store: StoreContext, operation: str, text: str) -> Variant:
        """Answer a call of the guest, in its thread. A WasmtimeError raised here ends the guest.

        No other error may pass: the library keeps it in a variable that all threads share.
        """
        self._check_not_stopped()
        if operation == LOG:
            self.log.write(text.encode())
            self._end_if(FLOODED_LOG, self.log.is_flooded)
            return Variant("ok", "")
        self._end_if(FLOODED_HOST, self._calls.is_flooded)
        answer = self._calls.answer(operation, text)
        self._pending = asyncio.run_coroutine_threadsafe(answer, self._loop)
        if self._is_stopped:
            self._pending.cancel()
        try:
            succeeded, text = self._pending.result()
        except CancelledError as exc:
            raise WasmtimeError("stopped") from exc
        except Exception as exc:
            self._bug = exc
            raise WasmtimeError("a bug of the host") from exc
        return Variant("ok" if succeeded else "err", text)

    def _end_if(self, failure: Failure, is_so: bool) -> None:  # noqa: FBT001
        if is_so:
            self._ended_by = failure
            raise WasmtimeError(failure.text)

    def _check_not_stopped(self) -> None:
        if self._is_stopped:
            raise WasmtimeError("stopped")


class _Misfit(Exception):
    pass
