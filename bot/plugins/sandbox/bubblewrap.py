"""The command that starts a process in a sandbox: what it sees, and what it may use."""

import os
import shutil
import sys
from collections.abc import Sequence
from math import ceil
from pathlib import Path

from bot.plugins.sandbox.contract import Limits

GUEST = Path(__file__).with_name("guest")
CODE, SUPPORT = "/plugin", "/hubbub"
# What an empty CPython takes of the address space.
PYTHON_BYTES = 96 << 20
# Of fuel, in a second of computing.
FUEL_A_SECOND = 5_000_000_000
MOST_FILES = 32
# Without them no program starts: the dynamic linker and the C library.
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")


def bwrap_path() -> str | None:
    return shutil.which("bwrap", path=f"{os.environ.get('PATH', os.defpath)}:/usr/bin")


def command(bwrap: str, code: int, seccomp: int, entry: str, limits: Limits) -> list[str]:
    """`code` and `seccomp` are file descriptors that bwrap reads."""
    return [
        bwrap,
        # Every namespace: users, processes, network, IPC, host name, cgroups and mounts.
        *("--unshare-user", "--unshare-all", "--uid", "65534", "--gid", "65534"),
        *("--cap-drop", "ALL", "--new-session", "--die-with-parent", "--clearenv"),
        *("--hostname", "plugin", "--seccomp", str(seccomp)),
        *_files(code),
        *("--size", str(limits.tmp_bytes), "--perms", "0700", "--tmpfs", "/tmp"),  # noqa: S108
        *("--chdir", "/tmp", "--remount-ro", "/"),  # noqa: S108
        *_python(entry, limits),
    ]


def _files(code: int) -> list[str]:
    """Python, the plug-in, /dev/null, and nothing else: no /etc, /proc, /sys, /run or /home."""
    prefix = Path(sys.base_prefix)
    found = [_as_it_is(each) for each in LIBRARIES]
    if prefix != Path("/usr"):
        found.append(_bind(str(prefix / "lib")))
    interpreter = os.path.realpath(sys.executable)
    found.append(_bind(interpreter))
    found += [("--dev-bind", "/dev/null", "/dev/null"), _bind(str(GUEST), SUPPORT)]
    found.append(("--perms", "0444", "--ro-bind-data", str(code), CODE))
    return [word for each in found for word in each]


def _as_it_is(path: str) -> Sequence[str]:
    """In most distributions /lib is a link to /usr/lib."""
    if Path(path).is_symlink():
        return ("--symlink", str(Path(path).readlink()), path)
    return ("--ro-bind-try", path, path)


def _bind(path: str, where: str = "") -> Sequence[str]:
    return ("--ro-bind", path, where or path)


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
