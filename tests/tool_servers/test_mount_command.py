"""`hubbub mount`: what its options become, and all of it with the login of a person."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.cli import mounts
from bot.cli.tables import show_rows
from bot.settings import WrongSettings
from tests.support.engines import ON_SQLITE
from tests.support.login import open_login_server
from tests.support.person_at_terminal import CommandLine
from tests.support.story import Workspace
from tests.support.tool_server import ToolServer, open_tool_server, tool
from tests.support.upstreams import reaching

SECRET = "k3y-of-ours-0123456789"


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


@pytest.fixture
async def person(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[CommandLine]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    async with open_login_server(workspace) as server:
        made = CommandLine(server, tmp_path)
        made.meanwhile = [made.enter()]
        await made.log_in()
        yield made


@pytest.fixture
async def tickets() -> AsyncIterator[ToolServer]:
    async with open_tool_server(token=SECRET) as opened:
        yield opened


@ON_SQLITE
async def test_a_person_manages_a_server_by_commands(
    person: CommandLine, tickets: ToolServer
) -> None:
    async with reaching(person.server.workspace, tickets.origin):
        add = ("mount", "add", "tickets", "--url", tickets.url)
        code, _, err = await person.run(*add)
        assert (code, "does not accept the credential" in err) == (1, True)
        assert tickets.url not in await person.says("mount", "list")
        said = await person.says(*add, "--auth", "bearer", "--secret", SECRET)
        assert said == "tickets is added. Tools: 1 active.\n"
        tickets.tools.append(tool("wipe", "Wipes everything."))
        said = await person.says("mount", "refresh", "tickets")
        assert "Parked until somebody accepts them: wipe." in said
        said = await person.says("mount", "stop", "tickets")
        assert said.startswith("tickets is stopped. Tools: 1 active, 1 parked.\n")
        assert "stopped" in await person.says("mount", "list")
        for action in ("start", "restart"):
            assert "tickets" in await person.says("mount", action, "tickets")
        repository = person.server.workspace.repository.full_name
        await person.says("mount", "change", "tickets", "--repository", repository)
        shown = await person.says("mount", "show", "tickets")
        for words in ("search", "Wipes everything.", "Stopped by @octocat.", repository):
            assert words in shown, words
        assert SECRET not in shown
        assert await person.says("mount", "remove", "tickets") == "tickets is removed.\n"
        code, _, err = await person.run("mount", "show", "tickets")
        assert (code, "There is no tool server 'tickets'" in err) == (1, True)
