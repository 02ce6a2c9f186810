"""What plug-ins cost: in the sandbox built, compiled, called, and their memory; trusted, loaded."""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from bot.cli import plugin_starts
from bot.plugins.sandbox.contract import Code, Kind, Limits, PluginCall
from bot.plugins.sandbox.sandbox import MOST_AT_ONCE, Sandbox
from tests.benchmarks import trusted_plugins
from tests.support.wat_components import component, text_at

CALLS, HOST_CALLS = 50, 100
MIB = 1 << 20
# Beside what `hubbub plugin new` writes: calls of the host, and a wait for it.
MORE = """

@operation
def call(hubbub, times):
    for _ in range(int(times)):
        hubbub.call("get_task", {"task": "t_1"})
    return {"times": times}


@operation
def wait(hubbub):
    return hubbub.call("wait")
"""
SMALL = component("(call $say (i32.const 0) (i32.const 64) (i32.const 2))", extra=text_at(64, "{}"))


class BenchHost:
    fetch: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]] | None = None

    def __init__(self) -> None:
        self.waiting = 0
        self.all_wait = asyncio.Event()
        self.go_on = asyncio.Event()

    async def call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if operation == "wait":
            self.waiting += 1
            if self.waiting == MOST_AT_ONCE:
                self.all_wait.set()
            await self.go_on.wait()
        return {"task": arguments.get("task"), "tasks": []}


def build(folder: Path) -> tuple[bytes, float]:
    """What `hubbub plugin new` writes, as a component, and the seconds that its author waits."""
    for path, text in plugin_starts.files("bench", "wasm").items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text + MORE if path == "app.py" else text)
    program = str(Path(sys.executable).with_name("componentize-py"))
    began = time.perf_counter()
    command = [program, "-d", "wit", "-w", "plugin", "componentize", "--stub-wasi", "app"]
    subprocess.run([*command, "-o", "plugin.wasm"], cwd=folder, check=True, capture_output=True)
    return (folder / "plugin.wasm").read_bytes(), time.perf_counter() - began


def process() -> Code:
    program = plugin_starts.files("bench", "process")["main.py"]
    return Code.of("process", program.replace("\n\nrun()", f"{MORE}\n\nrun()").encode())


async def call_ms(sandbox: Sandbox, code: Code, name: str = "", **arguments: Any) -> float:
    began = time.perf_counter()
    call = PluginCall("operation", name, arguments)
    result = await sandbox.run(code, call, Limits(), BenchHost())
    assert result.failure is None, result.failure
    return (time.perf_counter() - began) * 1000


async def median_ms(sandbox: Sandbox, code: Code, name: str = "", **arguments: Any) -> float:
    took = [await call_ms(sandbox, code, name, **arguments) for _ in range(CALLS)]
    return statistics.median(took)


async def memory_mib(sandbox: Sandbox, code: Code, kind: Kind) -> float:
    """Of one instance, while it waits for its host: its own process, or what this one grows by."""
    host = BenchHost()
    before = psutil.Process().memory_full_info().uss
    call = PluginCall("operation", "wait")
    running = [
        asyncio.create_task(sandbox.run(code, call, Limits(wall_s=60), host))
        for _ in range(MOST_AT_ONCE)
    ]
    await host.all_wait.wait()
    if kind == "wasm":
        used = psutil.Process().memory_full_info().uss - before
    else:
        used = sum(
            each.memory_full_info().uss for each in psutil.Process().children(recursive=True)
        )
    host.go_on.set()
    await asyncio.gather(*running)
    return used / MOST_AT_ONCE / MIB


async def rows(folder: Path) -> list[tuple[str, str, str, str]]:
    content, build_s = build(folder)
    sandbox = Sandbox(folder / "cache")
    python, small, confined = Code.of("wasm", content), SMALL, process()
    codes: tuple[tuple[Kind, Code], ...] = (("wasm", python), ("process", confined))
    first = [await call_ms(sandbox, each, "call", times=0) for each in (python, confined)]
    first_small = await call_ms(sandbox, small)
    empty = [await median_ms(sandbox, each, "call", times=0) for _, each in codes]
    full = [await median_ms(sandbox, each, "call", times=HOST_CALLS) for _, each in codes]
    memory = [await memory_mib(sandbox, each, kind) for kind, each in codes]
    trips = [(b - a) / HOST_CALLS for a, b in zip(empty, full, strict=True)]
    small_ms = await median_ms(sandbox, small)
    sandbox.close()
    return [
        ("built by componentize-py, s", f"{build_s:.1f}", "-", "-"),
        ("size, MiB", f"{len(content) / MIB:.1f}", "0.0", "0.0"),
        ("first call, compiled, s", f"{first[0] / 1000:.1f}", f"{first_small / 1000:.2f}", "-"),
        ("later calls, ms", f"{empty[0]:.1f}", f"{small_ms:.1f}", f"{empty[1]:.0f}"),
        ("a call of the host, ms", f"{trips[0]:.2f}", "-", f"{trips[1]:.2f}"),
        ("memory of an instance, MiB", f"{memory[0]:.1f}", "-", f"{memory[1]:.1f}"),
    ]


def main() -> None:
    trusted_plugins.main()
    table = Table(title="Sandboxed plug-ins")
    for each in ("", "component of Python", "small component", "process"):
        table.add_column(each, justify="left" if not each else "right")
    with tempfile.TemporaryDirectory() as folder:
        for row in asyncio.run(rows(Path(folder))):
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
