"""What `hubbub setup` writes into the configuration of MCP clients: nothing is lost."""

import json
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.setup.clients import connection, json_edit, toml_edit
from bot.setup.clients.connection import Connection
from bot.setup.clients.json_edit import NotEditable
from bot.setup.clients.table import CLIENTS, Places

GUIDE = Path(__file__).parents[2] / "docs/how-to/connect-an-agent.md"
URL = "https://hubbub.example.com/mcp"
TOKEN = "hubbub_0123_a-token-of-a-test"
JSON_CLIENTS = [name for name, each in CLIENTS.items() if not each.is_toml]


def places(folder: Path) -> Places:
    return Places(folder / "home", folder / "project", {}, "linux")


def write(name: str, scope: Any, folder: Path, token: str = TOKEN) -> connection.Written:
    (folder / "project").mkdir(exist_ok=True)
    return connection.write(name, scope, Connection(URL, token), places(folder))


def block(title: str) -> str:
    """The example of a client in the guide."""
    part = GUIDE.read_text().partition(f"### {title}\n")[2]
    found = re.search(r"```(?:json|toml)\n(.*?)```", part, re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_projects_file_is_as_in_the_guide_and_has_no_token(name: str, tmp_path: Path) -> None:
    written = write(name, "project", tmp_path)
    text, shown = written.path.read_text(), block(CLIENTS[name].title)
    assert str(written.path.relative_to(tmp_path / "project")) == CLIENTS[name].project_file
    load: Any = tomllib.loads if CLIENTS[name].is_toml else json.loads
    assert (load(text), TOKEN in text) == (load(shown), False)
    # VS Code asks for the token; the others read the variable.
    assert written.needs_variable is (name != "vscode")
    assert stat.S_IMODE(written.path.stat().st_mode) == 0o644


@pytest.mark.parametrize("name", CLIENTS)
def test_a_persons_file_has_the_token_and_only_they_can_read_it(name: str, tmp_path: Path) -> None:
    written = write(name, "user", tmp_path)
    assert f"Bearer {TOKEN}" in written.path.read_text()
    assert stat.S_IMODE(written.path.stat().st_mode) == 0o600
    again = write(name, "user", tmp_path)
    assert (again.problem, again.backup) == ("", None)
    other = write(name, "user", tmp_path, "hubbub_4567_another-token")
    assert (other.problem, TOKEN in written.path.read_text()) == ("", False)
    assert other.backup
    assert TOKEN in other.backup.read_text()


@pytest.mark.parametrize("name", JSON_CLIENTS)
def test_the_rest_of_a_file_stays_letter_by_letter(name: str, tmp_path: Path) -> None:
    path = CLIENTS[name].user_file(places(tmp_path))
    path.parent.mkdir(parents=True)
    group = CLIENTS[name].group
    before = (
        "{\n    // mine\n"
        f'    "{group}": {{\n        "other": {{"command": "x", "args": ["a", "b"]}}, // keep\n'
        "    },\n"
        '    "more": [1,2,  3], /* and */ "url": "a // b"\n}\n'
    )
    path.write_text(before)
    written = write(name, "user", tmp_path)
    text = path.read_text()
    assert written.problem == ""
    assert written.backup
    assert written.backup.read_text() == before
    added = re.search(r',\n        "hubbub": \{.*?\n        \}', text, re.DOTALL)
    assert added
    assert text.replace(added[0], "") == before
    assert json_edit.parse(text).value[group]["other"] == {"command": "x", "args": ["a", "b"]}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "not json",
        '{"mcpServers": []}',
        "[]",
        '{"mcpServers": {"a": 1, "a": 2}}',
        '{"a": 1} {"b": 2}',
        '{"mcpServers": {"hubbub": {"command": "hubbub"}}}',
        "{" * 200,
        '{"a": 01x}',
    ],
)
def test_a_file_that_cannot_be_read_stays_as_it_is(text: str, tmp_path: Path) -> None:
    path = tmp_path / "home/.cursor/mcp.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    written = write("cursor", "user", tmp_path)
    assert written.problem
    assert (path.read_text(), list(path.parent.iterdir())) == (text, [path])
    assert json.loads(written.block)["mcpServers"]["hubbub"]["url"] == URL
    assert TOKEN not in written.block


def test_what_a_person_added_to_the_entry_stays(tmp_path: Path) -> None:
    path = write("roo", "user", tmp_path).path
    held = json.loads(path.read_text())
    held["mcpServers"]["hubbub"]["alwaysAllow"] = ["list_tasks"]
    path.write_text(json.dumps(held))
    write("roo", "user", tmp_path, "hubbub_4567_another-token")
    entry = json.loads(path.read_text())["mcpServers"]["hubbub"]
    assert entry["alwaysAllow"] == ["list_tasks"]
    assert entry["headers"] == {"Authorization": "Bearer hubbub_4567_another-token"}


def test_a_toml_file_keeps_its_comments_and_other_tables(tmp_path: Path) -> None:
    path = tmp_path / "home/.codex/config.toml"
    path.parent.mkdir(parents=True)
    before = '# mine\nmodel = "x"\n\n[mcp_servers.other]\ncommand = "y"\n'
    path.write_text(before)
    write("codex", "user", tmp_path)
    write("codex", "user", tmp_path, "hubbub_4567_another-token")
    text = path.read_text()
    assert text.startswith(before)
    servers = tomllib.loads(text)["mcp_servers"]
    assert servers["hubbub"]["http_headers"]["Authorization"].endswith("another-token")
    assert servers["other"] == {"command": "y"}


@pytest.mark.parametrize(
    "text",
    [
        "a = ",
        'mcp_servers = {other = {command = "y"}}',
        'mcp_servers = "x"',
        '[mcp_servers.hubbub]\nurl = "a"\nenabled_tools = ["b"]\n',
    ],
)
def test_a_toml_file_that_would_lose_something_is_refused(text: str) -> None:
    with pytest.raises(NotEditable):
        toml_edit.with_table(text, ("mcp_servers", "hubbub"), {"url": URL})


NAMES = st.text(max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
SERVERS = st.dictionaries(st.text(max_size=6), VALUES, max_size=3)


@given(
    before=SERVERS,
    servers=SERVERS | st.none(),
    indent=st.sampled_from([None, 1, 2, 4, "\t"]),
)
def test_any_json_gets_the_entry_and_nothing_else(
    before: dict[str, Any], servers: dict[str, Any] | None, indent: Any
) -> None:
    held = before if servers is None else {**before, "mcpServers": servers}
    if not isinstance(held.get("mcpServers", {}), dict):
        return
    text = json.dumps(held, indent=indent)
    made = json_edit.with_member(text, ["mcpServers", "hubbub"], {"url": URL})
    expected = {**held, "mcpServers": {**held.get("mcpServers", {}), "hubbub": {"url": URL}}}
    assert json.loads(made) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1 "b": 2}', "',' is missing at 8"),
        ('{"a" 1}', "':' is missing at 5"),
        ('{"a": }', "a value is missing at 6"),
        ("{a: 1}", "a name is missing at 1"),
        ('{"a": 1, "a": 2}', "'a' stands twice in one object"),
        ('{"a": nil}', "'nil' at 6 is not JSON"),
        ('{"a": ' + "[" * 1000, "it is nested too deeply"),
        ('{"servers": []}', "there is something else than an object at 12"),
    ],
)
def test_a_text_that_is_no_json_is_refused_with_the_place(text: str, why: str) -> None:
    with pytest.raises(NotEditable, match=f"^{re.escape(why)}"):
        json_edit.with_member(text, ["servers", "hubbub"], {"url": URL})


def test_an_item_is_added_to_an_array_and_to_nothing_else() -> None:
    assert json_edit.with_item("{}", "list", 1) == '{\n  "list": [\n    1\n  ]\n}'
    assert json.loads(json_edit.with_item('{"list": [1]}', "list", 2)) == {"list": [1, 2]}
    with pytest.raises(NotEditable, match="something else than an array"):
        json_edit.with_item('{"list": {}}', "list", 1)
