"""`hubbub mount`: what its options become."""

from pathlib import Path

import pytest

from bot.cli import mounts
from bot.cli.tables import show_rows
from bot.settings import WrongSettings


def test_options_are_read_or_refused_in_words(tmp_path: Path) -> None:
    assert mounts.read_options('{"methods": ["get"]}') == {"methods": ["get"]}
    assert mounts.read_options(None) is None
    with pytest.raises(WrongSettings, match="is not JSON"):
        mounts.read_options("{")
    with pytest.raises(WrongSettings, match="must be an object"):
        mounts.read_options("[]")
    path = tmp_path / "shop.yaml"
    with pytest.raises(WrongSettings, match="cannot read"):
        mounts.read_document(path)
    path.write_text("openapi: 3.1.0")
    assert mounts.read_document(path) == "openapi: 3.1.0"
    assert mounts.read_secret("as it is") == "as it is"


def test_what_came_of_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"name": "tickets", "kind": "mcp", "state": "running", "health": "failing"}
    more = {"last_success_at": None, "url": "https://t.example.com", "why": "It is away."}
    show_rows(
        [{**row, **more, "tools": {"active": 2, "parked": 1, "removed": 0}}],
        mounts.COLUMNS,
        as_json=False,
        cell=mounts._cell,
    )
    shown = capsys.readouterr().out
    assert "2 active, 1 parked" in shown
    assert "It is away." in shown
