"""Whether this machine can confine processes; bubblewrap is installed where that is allowed."""

import functools
import subprocess

import pytest

from tests.support.debian_packages import NotInstalled, install_missing


@functools.cache
def why_not() -> str | None:
    try:
        install_missing(("bwrap",), ("bubblewrap",))
    except NotInstalled as exc:
        return str(exc)
    tried = subprocess.run(
        ["bwrap", "--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return tried.stderr.strip() or "bwrap fails" if tried.returncode else None


def skip_without() -> None:
    if why := why_not():
        pytest.skip(f"bubblewrap cannot confine processes here: {why}")
