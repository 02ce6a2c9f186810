"""Compiles one component, as a program of its own: compiling takes seconds, memory and risk.

`component_compiler.py MADE` reads the component from stdin and writes machine code to MADE.
It imports nothing of Hubbub, because it runs without its environment.
"""

import os
import resource
import sys
from pathlib import Path

from wasmtime import Config, Engine, WasmtimeError
from wasmtime.component import Component

CPU_S = 120
MEMORY_BYTES = 1500 << 20
MADE_BYTES = 512 << 20


def engine_config() -> Config:
    """What the compiled code and the engine that runs it must have in common."""
    config = Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.wasm_threads = False
    config.shared_memory = False
    # A large component compiles in two thirds of the time, and runs about as fast.
    config.cranelift_opt_level = "none"
    return config


def compile_to(made: Path, code: bytes) -> None:
    made.write_bytes(Component(Engine(engine_config()), code).serialize())


def _limit_this_process() -> None:
    os.nice(10)
    for what, most in (
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_DATA, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, MADE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    _limit_this_process()
    try:
        compile_to(Path(sys.argv[1]), sys.stdin.buffer.read())
    except WasmtimeError as exc:
        sys.exit(f"not a component: {exc}")
