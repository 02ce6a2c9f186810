"""Programs that tests need and that no Python package brings: Debian's, installed where allowed."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

# Servers stand where a user's PATH does not look.
PATH = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", "/usr/libexec"]
)
# Two workers of one run must not start apt-get at the same time.
LOCK = Path(tempfile.gettempdir()) / "hubbub-tests-apt.lock"


class NotInstalled(Exception):
    """A program is missing; the text says why it was not installed, and the command that does."""


def install_missing(programs: Sequence[str], packages: Sequence[str]) -> None:
    """Install Debian's packages if one of the programs is missing. Raise NotInstalled."""
    if are_installed(programs):
        return
    with _one_at_a_time():
        if not are_installed(programs):
            _install(programs, packages)


def are_installed(programs: Sequence[str]) -> bool:
    return all(shutil.which(each, path=PATH) for each in programs)


def path_of(program: str) -> str:
    path = shutil.which(program, path=PATH)
    if path is None:
        raise NotInstalled(f"{program} is not on this machine")
    return path


def command(packages: Sequence[str]) -> str:
    """The command that a person types."""
    return f"sudo apt-get install --no-install-recommends {' '.join(packages)}"


def _install(programs: Sequence[str], packages: Sequence[str]) -> None:
    missing = " and ".join(each for each in programs if not are_installed([each]))
    remedy = f"Type\n\n  {command(packages)}\n"
    if shutil.which("apt-get") is None:
        raise NotInstalled(f"{missing} is not on this machine. On Debian or Ubuntu: {remedy}")
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if sudo and not (shutil.which("sudo") and _succeeds(*sudo, "true")):
        raise NotInstalled(f"{missing} is missing, and only root can install it. {remedy}")
    sys.stderr.write(f"Installing {' and '.join(packages)}\n")
    if not _apt_install(sudo, packages) or not are_installed(programs):
        raise NotInstalled(f"apt-get could not install {missing}. {remedy}")


def _apt_install(sudo: Sequence[str], packages: Sequence[str]) -> bool:
    apt = (*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq")
    _succeeds(*apt, "update")
    # --no-remove: what somebody uses stays.
    return _succeeds(*apt, "install", "-y", "--no-remove", "--no-install-recommends", *packages)


def _succeeds(*command: str) -> bool:
    ran = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return ran.returncode == 0


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    with LOCK.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
