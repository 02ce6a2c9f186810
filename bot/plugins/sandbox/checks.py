"""Which sandboxes work on this machine, by running something in each."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bot.plugins.sandbox.contract import Code, Kind, Limits, PluginCall
from bot.plugins.sandbox.sandbox import Sandbox

# The smallest component: its `handle` returns `{}`.
COMPONENT = """
(component
  (core module $m
    (memory (export "memory") 1)
    (data (i32.const 0) "\\00\\00\\00\\00\\10\\00\\00\\00\\02\\00\\00\\00")
    (data (i32.const 16) "{}")
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $next) (global.set $next (i32.add (global.get $next) (local.get 3))))
    (func (export "handle") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func (export "handle") (param "hook" string) (param "json" string)
    (result (result string (error string)))
    (canon lift (core func $i "handle") (memory (core memory $i "memory"))
      (realloc (core func $i "realloc")))))
"""
PROGRAM = b"""
from hubbub_plugin import panel, run

@panel
def check(hubbub):
    return {}

run()
"""


class _NoHost:
    fetch: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]] | None = None

    async def call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError(operation, arguments)


async def sandboxes() -> dict[Kind, str]:
    """Of each sandbox: empty if it works, else why it does not and what to do."""
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox(Path(folder))
        try:
            component, program = await asyncio.gather(
                _try(sandbox, Code.of("wasm", _component())),
                _try(sandbox, Code.of("process", PROGRAM)),
            )
        finally:
            sandbox.close()
    return {"wasm": component, "process": program}


def _component() -> bytes:
    if find_spec("wasmtime") is None:
        return b""  # the run says what is missing
    from wasmtime import wat2wasm  # noqa: PLC0415

    return bytes(wat2wasm(COMPONENT))


async def _try(sandbox: Sandbox, code: Code) -> str:
    result = await sandbox.run(code, PluginCall("panel", "check"), Limits(), _NoHost())
    return result.failure.text if result.failure else ""
