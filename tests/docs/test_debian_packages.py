"""Programs of Debian that the tests install where they may."""

import os
import shutil

import pytest

from tests.support import debian_packages
from tests.support.debian_packages import NotInstalled, install_missing


def test_programs_that_are_there_are_not_installed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian_packages, "_succeeds", _never)
    install_missing(["sh", "env"], ["no-such-package"])


def test_who_may_not_install_is_given_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(debian_packages, "_succeeds", lambda *_command: False)
    monkeypatch.setattr(shutil, "which", lambda name, path=None: _present(name))  # noqa: ARG005
    with pytest.raises(NotInstalled) as caught:
        install_missing(["sh", "browser"], ["browser-package", "a-font"])
    assert str(caught.value) == (
        "browser is missing, and only root can install it. Type\n\n"
        "  sudo apt-get install --no-install-recommends browser-package a-font\n"
    )


def _present(name: str) -> str | None:
    return None if name == "browser" else f"/usr/bin/{name}"


def _never(*command: str) -> bool:
    raise AssertionError(command)
