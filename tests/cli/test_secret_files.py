"""`HUBBUB_…_FILE`: a secret in a file, as containers and systemd hand it over."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from bot import settings
from bot.settings import WrongSettings

PAGE = Path(__file__).parents[2] / "docs/reference/settings.md"
KEY = "a secret of at least 32 characters"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, without a `.env` and with no variable of ours."""
    for name in [each for each in os.environ if each.startswith("HUBBUB_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plain(value: Any) -> str:
    return str(value.get_secret_value() if hasattr(value, "get_secret_value") else value)


@pytest.mark.parametrize("where", ["environment", ".env"])
def test_each_secret_may_be_in_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    wanted = {name: f"{KEY} {name}" for name in settings.secret_settings()}
    wanted["database_url"] = "mysql://hubbub:password@db.example.com/hubbub"
    lines = []
    for name, value in wanted.items():
        (folder / name).write_text(f"{value}\n")
        lines.append(f"HUBBUB_{name.upper()}_FILE={folder / name}")
    if where == ".env":
        (folder / ".env").write_text("\n".join(lines))
    else:
        for line in lines:
            monkeypatch.setenv(*line.split("=", 1))
    loaded = settings.load()
    assert {name: plain(getattr(loaded, name)) for name in wanted} == wanted
    assert settings.unknown() == {}


def test_a_misspelt_name_of_a_file_is_named_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HUBBUB_SECRETKEY_FILE", "/run/secrets/key")
    assert settings.unknown() == {"HUBBUB_SECRETKEY_FILE": "HUBBUB_SECRET_KEY_FILE"}


def test_a_setting_that_is_no_secret_has_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBBUB_HOST_FILE", "/run/secrets/host")
    assert "HUBBUB_HOST_FILE" in settings.unknown()


@pytest.mark.parametrize(
    ("content", "value", "problem"),
    [
        (KEY, KEY, "HUBBUB_SECRET_KEY and HUBBUB_SECRET_KEY_FILE are both set. Remove one."),
        (None, "", "HUBBUB_SECRET_KEY_FILE: cannot read key: No such file or directory."),
        (" \n", "", "HUBBUB_SECRET_KEY_FILE: key is empty. It must hold one secret."),
        ("x" * 70_000, "", "HUBBUB_SECRET_KEY_FILE: key has more than 65536 characters."),
        (b"\xff\xfe", "", "HUBBUB_SECRET_KEY_FILE: cannot read key: it is not text."),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: str | bytes | None,
    value: str,
    problem: str,
) -> None:
    if content is not None:
        raw = content if isinstance(content, bytes) else content.encode()
        (folder / "key").write_bytes(raw)
    monkeypatch.setenv("HUBBUB_SECRET_KEY_FILE", "key")
    monkeypatch.setenv("HUBBUB_SECRET_KEY", value)
    with pytest.raises(WrongSettings, match=re.escape(problem)) as raised:
        settings.load()
    assert KEY not in str(raised.value)


def test_every_setting_that_a_file_may_hold_is_documented() -> None:
    (listed,) = re.findall(r"(?s)## Secrets in files\n(.*)", PAGE.read_text())
    names = set(re.findall(r"`HUBBUB_(\w+)_FILE`", listed))
    assert names == {name.upper() for name in settings.secret_settings()}
