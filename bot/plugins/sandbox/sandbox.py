"""Runs one call of a plug-in, as a component or as a process, and checks what it returns."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson

from bot.child_processes.confinement import bwrap_path
from bot.kernel.plugin_calls import Failure, FailureKind, PluginResult
from bot.plugins.sandbox.compiled import CompiledComponents
from bot.plugins.sandbox.contract import Code, Host, Limits, PluginCall
from bot.plugins.sandbox.host_calls import HostCalls
from bot.plugins.sandbox.outcome import Outcome
from bot.plugins.sandbox.processes import MISSING, run_process

# Guests that run at the same time in one process of the server: `Plugins` lets others wait. Each
# may wait for one that it called, and that one for the next.
MOST_AT_ONCE, DEEPEST = 4, 4
MISSING_WASMTIME = (
    "WebAssembly needs the package wasmtime: install Hubbub with the extra `plugins`."
)


def default_folder() -> Path:
    """Where compiled components are kept: what systemd gives, or the user's cache."""
    given = os.environ.get("CACHE_DIRECTORY", "").split(":")[0]
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(given or Path(cache) / "hubbub") / "plugins"


class Sandbox:
    def __init__(
        self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._compiled = CompiledComponents(folder)
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE * DEEPEST, thread_name_prefix="plugin")
        self._now = now

    def close(self) -> None:
        """Call it after the last `run` has ended."""
        self._threads.shutdown()

    async def run(self, code: Code, call: PluginCall, limits: Limits, host: Host) -> PluginResult:
        """Errors of the guest are values. What `host.call` raises beside Refused passes through."""
        given = self._input(call)
        if len(given) > limits.input_bytes:
            return _failure("refused", f"The input is longer than {limits.input_bytes} bytes.")
        calls = HostCalls(host, limits)
        began = perf_counter()
        outcome = await self._run(code, call.hook, given.decode(), limits, calls)
        wall_ms = (perf_counter() - began) * 1000
        value, failure = None, outcome.failure
        if failure is None:
            value, failure = _read_answer(outcome.answer or "", limits)
        return PluginResult(value, failure, outcome.log, calls.count, wall_ms, outcome.fuel)

    def _input(self, call: PluginCall) -> bytes:
        return orjson.dumps(
            {
                "name": call.name,
                "arguments": dict(call.arguments),
                "settings": dict(call.settings),
                "now": self._now().isoformat(timespec="seconds"),
            }
        )

    async def prepare(self, code: Code, limits: Limits) -> Failure | None:
        if code.kind == "process":
            return Failure("missing_runtime", MISSING) if bwrap_path() is None else None
        if find_spec("wasmtime") is None:
            return Failure("missing_runtime", MISSING_WASMTIME)
        from bot.plugins.sandbox.components import check_component  # noqa: PLC0415

        return await check_component(self._compiled, code, limits)

    async def _run(
        self, code: Code, hook: str, given: str, limits: Limits, calls: HostCalls
    ) -> Outcome:
        if code.kind == "process":
            return await run_process(code, hook, given, limits, calls)
        if find_spec("wasmtime") is None:
            return Outcome(failure=Failure("missing_runtime", MISSING_WASMTIME))
        # An extra, and nobody without plug-ins pays for its import.
        from bot.plugins.sandbox.components import Tools, run_component  # noqa: PLC0415

        tools = Tools(self._compiled, self._threads)
        return await run_component(tools, code, hook, given, limits, calls)


def _failure(kind: FailureKind, text: str) -> PluginResult:
    return PluginResult(failure=Failure(kind, text))


def _read_answer(answer: str, limits: Limits) -> tuple[Any, Failure | None]:
    if len(answer) > limits.output_bytes:
        return None, Failure(
            "bad_output", f"The answer is longer than {limits.output_bytes} bytes."
        )
    try:
        return orjson.loads(answer), None
    except orjson.JSONDecodeError as exc:
        return None, Failure("bad_output", f"The answer is not JSON: {exc}.")
