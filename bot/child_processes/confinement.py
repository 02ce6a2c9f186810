"""The command of bubblewrap: it starts a program that sees only what it is given."""

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

# Without them no program starts: the dynamic linker and the C library.
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
NULL = ("--dev-bind", "/dev/null", "/dev/null")


def bwrap_path() -> str | None:
    return shutil.which("bwrap", path=f"{os.environ.get('PATH', os.defpath)}:/usr/bin")


def command(
    bwrap: str, given: Iterable[Sequence[str]], *, folder: str, seccomp: int | None = None
) -> list[str]:
    """Without network, rights, variables, and without files but libraries and what is given.

    `given`: options of bubblewrap. `seccomp`: the file descriptor of a filter. The words of the
    program come after the command.
    """
    return [
        bwrap,
        # Every namespace: users, processes, network, IPC, host name, cgroups and mounts.
        *("--unshare-user", "--unshare-all", "--uid", "65534", "--gid", "65534"),
        *("--cap-drop", "ALL", "--new-session", "--die-with-parent", "--clearenv"),
        *("--hostname", "confined"),
        *(() if seccomp is None else ("--seccomp", str(seccomp))),
        *(word for each in (*map(_library, LIBRARIES), NULL, *given) for word in each),
        *("--chdir", folder, "--remount-ro", "/"),
    ]


def bind(path: str, where: str = "") -> Sequence[str]:
    return ("--ro-bind", path, where or path)


def _library(path: str) -> Sequence[str]:
    """In most distributions /lib is a link to /usr/lib."""
    if Path(path).is_symlink():
        return ("--symlink", str(Path(path).readlink()), path)
    return ("--ro-bind-try", path, path)
