"""`hubbub file`, with the login of a person."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.cli import files
from bot.files import rules
from bot.files.chunks import CHUNK
from bot.files.texts import FileTexts
from bot.quotas.file_rules import FileRules
from tests.support.engines import ON_SQLITE
from tests.support.login import open_login_server
from tests.support.person_at_terminal import CommandLine
from tests.support.story import Workspace


@pytest.fixture
async def person(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[CommandLine]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    async with open_login_server(workspace) as server:
        shared = workspace.dispatcher.shared
        outside = replace(shared.outside, files=FileTexts(workspace.store, shared.keys))
        workspace.dispatcher.shared = replace(shared, files=FileRules(server.url), outside=outside)
        made = CommandLine(server, tmp_path)
        made.meanwhile = [made.enter()]
        await made.log_in()
        yield made


@ON_SQLITE
async def test_a_small_file_is_attached_shown_downloaded_listed_and_removed(
    person: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "plan.txt").write_text("Mend the pump.")
    file_id = (await person.says("file", "put", "plan.txt")).strip()
    shown = await person.says("file", "show", file_id)
    for line in ("name: plan.txt", "type: text/plain", "size: 14"):
        assert line in shown, shown
    assert await person.says("file", "show", file_id, "--text") == "Mend the pump.\n"
    code, _, err = await person.run("file", "get", file_id)
    assert (code, "plan.txt exists. Name another one by -o." in err) == (2, True), err
    assert await person.says("file", "get", file_id, "-o", "copy.txt") == "copy.txt\n"
    assert (tmp_path / "copy.txt").read_text() == "Mend the pump."
    assert file_id in await person.says("file", "list")
    assert await person.says("file", "remove", file_id) == f"{file_id} is deleted.\n"
    assert file_id not in await person.says("file", "list")
    code, _, err = await person.run("file", "get", file_id, "-o", "other.txt")
    assert (code, (tmp_path / "other.txt").exists()) == (1, False), err
    code, _, err = await person.run("file", "put", "nowhere.txt")
    assert (code, "Cannot read nowhere.txt" in err) == (2, True), err


@ON_SQLITE
async def test_a_large_file_goes_in_parts_and_comes_back(
    person: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PART", CHUNK)
    content = hashlib.shake_256(b"pump").digest(3 * CHUNK + 100)
    (tmp_path / "pump.bin").write_bytes(content)
    put = await person.says("file", "put", "pump.bin", "--name", "valve.bin")
    file_id = put.strip()
    assert await person.says("file", "get", file_id) == "valve.bin\n"
    assert (tmp_path / "valve.bin").read_bytes() == content
    (row,) = await person.server.workspace.rows("SELECT size, chunks FROM blobs")
    assert (row["size"], row["chunks"]) == (len(content), 4)


@ON_SQLITE
async def test_a_large_file_without_a_server_says_what_to_set(
    person: CommandLine, tmp_path: Path
) -> None:
    dispatcher = person.server.workspace.dispatcher
    dispatcher.shared = replace(dispatcher.shared, files=FileRules("http://127.0.0.1:9"))
    (tmp_path / "pump.bin").write_bytes(bytes(files.IN_CALL + 1))
    code, _, err = await person.run("file", "put", "pump.bin")
    assert (code, "set HUBBUB_URL to its address" in err) == (2, True), err


def test_a_call_carries_as_much_as_the_operation_takes() -> None:
    assert files.IN_CALL == rules.LARGEST_IN_CALL
