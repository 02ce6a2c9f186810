"""The command that starts a plug-in in a sandbox: what it sees, and what it may use."""

import os
import sys
from collections.abc import Sequence
from math import ceil
from pathlib import Path

from bot.child_processes import confinement
from bot.child_processes.confinement import bind
from bot.plugins.sandbox.contract import Limits

GUEST = Path(__file__).with_name("guest")
CODE, SUPPORT = "/plugin", "/hubbub"
FOLDER = "/tmp"  # noqa: S108 - of the sandbox
# What an empty CPython takes of the address space.
PYTHON_BYTES = 96 << 20
# Of fuel, in a second of computing.
FUEL_A_SECOND = 5_000_000_000
MOST_FILES = 32


def command(bwrap: str, code: int, seccomp: int, entry: str, limits: Limits) -> list[str]:
    """`code` and `seccomp` are file descriptors that bwrap reads."""
    return [
        *confinement.command(bwrap, _view(code, limits), folder=FOLDER, seccomp=seccomp),
        *_python(entry, limits),
    ]


def _view(code: int, limits: Limits) -> list[Sequence[str]]:
    """Python, the plug-in, a folder in memory: no /etc, /proc, /sys, /run or /home."""
    prefix = Path(sys.base_prefix)
    libraries = [] if prefix == Path("/usr") else [bind(str(prefix / "lib"))]
    return [
        *libraries,
        bind(os.path.realpath(sys.executable)),
        bind(str(GUEST), SUPPORT),
        ("--perms", "0444", "--ro-bind-data", str(code), CODE),
        ("--size", str(limits.tmp_bytes), "--perms", "0700", "--tmpfs", FOLDER),
    ]


def _python(entry: str, limits: Limits) -> list[str]:
    # Isolated, without the packages of the site, and without byte code.
    interpreter = [os.path.realpath(sys.executable), "-I", "-S", "-B", "-X", "utf8"]
    return [*interpreter, f"{SUPPORT}/launch.py", CODE, entry, *_limits(limits)]


def _limits(limits: Limits) -> list[str]:
    most = {
        "RLIMIT_AS": limits.memory_bytes + PYTHON_BYTES,
        "RLIMIT_CPU": max(1, ceil(limits.fuel / FUEL_A_SECOND)),
        "RLIMIT_FSIZE": limits.tmp_bytes,
        "RLIMIT_NOFILE": MOST_FILES,
        "RLIMIT_NPROC": 0,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
    }
    return [f"{name}={value}" for name, value in most.items()]
