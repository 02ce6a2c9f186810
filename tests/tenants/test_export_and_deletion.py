"""All data of one account: written into a file, and deleted."""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from bot.backup import tenant_export
from bot.files import storing
from bot.files.chunks import CHUNK
from bot.identity.keyring import Keys
from bot.plugins import installing, uses, values
from bot.settings import WrongSettings
from bot.tenants import deletion
from store.engine.transaction import Store, Tx
from store.plugins import plugin_installations
from store.tables import TABLES
from store.tenants import holdings
from tests.support.canaries import Side, insert
from tests.support.canary_installation import fill_the_rest
from tests.support.plugin_packages import package
from tests.support.story import Agent, Workspace

SECRET = "hunter2-of-a-plug-in"
FILES = {"pump.txt": "The pump is red.", "valve.txt": "The valve is blue."}
# The rows that these files and an unfinished upload have.
OF_FILES = {"attachments": 2, "attachment_uses": 2, "blobs": 2, "blob_chunks": 3, "uploads": 1}


async def busy(workspace: Workspace) -> Agent:
    agent = await workspace.agent("ada")
    name = workspace.name(await workspace.task("Mend the pump"))
    fence = (await agent.call("claim_task", task=name))["task"]["fence"]
    await agent.call("update_agent", checkpoint={"step": 7}, task=name)
    await agent.call("create_context", name="plan", content={"pumps": ["red", "blue"]})
    files = [
        (await agent.call("attach_file", name=name, text=text))["file"]["id"]
        for name, text in FILES.items()
    ]
    await agent.call("send_message", to="ada", body="The red pump leaks", attachments=files)
    await begin_upload(workspace, agent)
    await keep_value(workspace)
    await agent.call("update_task_status", task=name, fence=fence, status="completed")
    await workspace.settle()
    return agent


async def use_plugin(workspace: Workspace, settings: dict[str, Any]) -> None:
    """Install a plug-in with these settings and a secret one, and turn it on."""
    i, keys, store = workspace.installation.id, workspace.dispatcher.shared.keys, workspace.store
    known = ", ".join(f"{name}: {{description: It}}" for name in settings)
    made = package(settings=f"{{{known}, api_key: {{type: secret, description: The key}}}}")
    candidate = installing.of_package(made)
    await installing.install(store, candidate, "operator", unsigned=True, update=False)
    sealed = uses.seal(keys, i, "echo", {**settings, "api_key": SECRET, "gone": SECRET})
    await store.write(
        lambda tx: plugin_installations.turn_on(tx, i, "echo", "observer", sealed, 0, "@octocat")
    )


async def keep_value(workspace: Workspace) -> None:
    """What a plug-in keeps for the account."""
    i, keys = workspace.installation.id, workspace.dispatcher.shared.keys
    own = values.Values(workspace.store, keys, i, "echo")
    await own.put(values.PutValue(name="rota", value={"next": "ada"}, expected_version=0))


async def begin_upload(workspace: Workspace, agent: Agent) -> None:
    """Begin a large file, of which only the first part comes."""
    await agent.call("attach_file", name="pump.mp4", size=2 * CHUNK)
    i, keys = workspace.installation.id, workspace.dispatcher.shared.keys
    (row,) = await workspace.rows("SELECT * FROM uploads WHERE installation_id = :i")
    assert await storing.add_chunk(workspace.store, keys, row, 0, bytes(CHUNK))  # type: ignore[arg-type]
    assert i == row["installation_id"]


def lines(archive: ZipFile, table: str) -> list[dict[str, Any]]:
    return [json.loads(each) for each in archive.read(f"{table}.jsonl").splitlines()]


async def test_an_export_has_all_rows_and_files_readable_and_no_secret(
    workspace: Workspace, store_url: str, tmp_path: Path
) -> None:
    await busy(workspace)
    await use_plugin(workspace, {"channel": "#pumps"})
    i, keys = workspace.installation.id, workspace.dispatcher.shared.keys
    path = tmp_path / "acme.zip"
    counts = tenant_export.write(store_url, keys, i, path)
    assert path.stat().st_mode & 0o777 == 0o600
    with ZipFile(path) as archive:
        assert json.loads(archive.read("tables.json")) == counts
        (version,) = lines(archive, "context_versions")
        assert version["content"] == {"pumps": ["red", "blue"]}
        (checkpoint,) = lines(archive, "checkpoints")
        assert checkpoint["content"] == {"step": 7}
        (value,) = lines(archive, "plugin_values")
        assert (value["name"], value["content"]) == ("rota", {"next": "ada"})
        (use,) = lines(archive, "plugin_installations")
        assert (use["plugin"], use["content"]) == ("echo", {"channel": "#pumps"})
        (message,) = lines(archive, "messages")
        assert message["body"] == "The red pump leaks"
        assert {each["installation_id"] for each in lines(archive, "events")} == {i}
        names = set(archive.namelist())
        files = {archive.read(each).decode() for each in names if each.startswith("files/")}
        assert files == {*FILES.values()}
        assert {row["name"] for row in lines(archive, "attachments")} == {*FILES}
        assert counts["files"] == len(FILES)
        assert not any("sealed" in row for each in names if each[-6:] == ".jsonl"
                       for row in lines(archive, each[:-6]))  # fmt: skip
        assert not any(SECRET.encode() in archive.read(each) for each in names)
    assert "credentials.jsonl" not in names
    tables = await workspace.store.read(lambda tx: deletion.counts(tx, i))
    left_out = {*tenant_export.LEFT_OUT, tenant_export.CHUNKS}
    assert {name: n for name, n in counts.items() if name != "files"} == {
        name: n for name, n in tables.items() if name not in left_out
    }
    await installing.remove(workspace.store, "echo")


async def test_an_export_does_not_replace_a_file_and_leaves_no_part_of_one(
    workspace: Workspace, store_url: str, tmp_path: Path
) -> None:
    i, keys = workspace.installation.id, workspace.dispatcher.shared.keys
    path = tmp_path / "acme.zip"
    path.write_text("mine")
    with pytest.raises(WrongSettings, match="exists already"):
        tenant_export.write(store_url, keys, i, path)
    assert path.read_text() == "mine"
    with pytest.raises(FileNotFoundError):
        tenant_export.write(store_url, keys, i, tmp_path / "nowhere" / "acme.zip")
    assert not [each for each in os.listdir(tmp_path) if each.endswith(".part")]  # noqa: PTH208


async def test_what_cannot_be_decrypted_is_named_and_the_rest_is_written(
    workspace: Workspace, store_url: str, tmp_path: Path
) -> None:
    agent = await workspace.agent("ada")
    await agent.call("create_context", name="plan", content="secret")
    i = workspace.installation.id
    q = "UPDATE context_versions SET sealed = :bad WHERE installation_id = :i"
    await workspace.store.write(lambda tx: tx.run(q, bad=b"x" * 40, i=i))
    path = tmp_path / "acme.zip"
    tenant_export.write(store_url, workspace.dispatcher.shared.keys, i, path)
    with ZipFile(path) as archive:
        (version,) = lines(archive, "context_versions")
    assert "content" not in version
    assert version["broken"]


async def test_a_deletion_leaves_no_row_of_the_account_and_all_of_others(
    workspace: Workspace,
) -> None:
    await busy(workspace)
    i = workspace.installation.id
    other = i + 1
    q = "INSERT INTO heads (installation_id, seq) VALUES (:i, 5)"
    await workspace.store.write(lambda tx: tx.run(q, i=other))
    before = await workspace.store.read(lambda tx: deletion.counts(tx, i))
    assert {name: before[name] for name in OF_FILES} == OF_FILES
    dropped = await deletion.delete(workspace.store, i, "acme")
    assert dropped == sum(before.values())
    assert await workspace.store.read(lambda tx: deletion.counts(tx, i)) == {}
    assert await workspace.store.read(lambda tx: deletion.counts(tx, other)) == {"heads": 1}
    q = "SELECT data FROM audit WHERE installation_id = 0 AND subject = :i"
    (row,) = await workspace.rows(q.replace(":i", f"'{i}'"))
    assert json.loads(row["data"]) == {"account": "acme", "rows": dropped}


class Busy:
    """A store where a webhook of the account comes in after each look, a number of times."""

    def __init__(self, store: Store, installation_id: int, times: int) -> None:
        self.store = store
        self._left = times
        self._installation_id = installation_id

    async def write(self, work: Any) -> Any:
        found = await self.store.write(work)
        if found == 0 and self._left:
            self._left -= 1
            q = "INSERT INTO heads (installation_id, seq) VALUES (:i, 5)"
            await self.store.write(lambda tx: tx.run(q, i=self._installation_id))
        return found

    async def read(self, work: Any) -> Any:
        return await self.store.read(work)


@pytest.mark.parametrize("times", [1, deletion.ROUNDS])
async def test_what_comes_while_an_account_is_deleted_is_deleted_too_or_named(
    workspace: Workspace, times: int
) -> None:
    i = workspace.installation.id
    store: Any = Busy(workspace.store, i, times)
    if times == 1:
        await deletion.delete(store, i, "acme")
    else:
        with pytest.raises(deletion.RowsLeft, match="new ones in heads: a server still works"):
            await deletion.delete(store, i, "acme")
        await deletion.delete(workspace.store, i, "acme")
    assert await workspace.store.read(lambda tx: deletion.counts(tx, i)) == {}


# The only table without an installation: what the database says about itself.
OF_THE_SERVER = {"facts"}


def test_each_table_has_rows_of_installations() -> None:
    """What is in another table would be in no export, and no deletion would find it."""
    assert set(TABLES) - set(holdings.tables()) == OF_THE_SERVER
    assert set(holdings.tables()) >= tenant_export.LEFT_OUT


async def fill(tx: Tx, side: Side) -> None:
    """One row in each table."""
    # Its key is one for all installations.
    await insert(tx, side, "search_texts", doc=side.installation_id)
    await fill_the_rest(tx, side)


async def test_each_table_is_exported_without_secrets_and_deleted(
    store: Store, store_url: str, tmp_path: Path
) -> None:
    ours, others = Side("export", 55155, 4_300_000_003), Side("foreign", 66266, 4_400_000_004)
    keys = Keys("s" * 40)
    note = values.Values(store, keys, ours.installation_id, "echo")
    await note.put(values.PutValue(name="seen", value=["a pump"], expected_version=0))
    for side in (ours, others):
        await store.write(partial(fill, side=side))
    path = tmp_path / "export.zip"
    counts = tenant_export.write(store_url, keys, ours.installation_id, path)
    missing = {*tenant_export.LEFT_OUT, tenant_export.CHUNKS}
    assert counts == {"files": 0} | dict.fromkeys({*holdings.tables()} - missing, 1)
    with ZipFile(path) as archive:
        names = archive.namelist()
        (value,) = lines(archive, "plugin_values")
        assert (value["name"], value["content"]) == ("seen", ["a pump"])
        rows = [row for each in names if each[-6:] == ".jsonl" for row in lines(archive, each[:-6])]
        assert not any("sealed" in row for row in rows)
        (broken,) = [each for each in names if each.endswith(".broken")]
        assert b"key" in archive.read(broken)
    before = await store.read(lambda tx: deletion.counts(tx, others.installation_id))
    await deletion.delete(store, ours.installation_id, "export")
    assert await store.read(lambda tx: deletion.counts(tx, ours.installation_id)) == {}
    assert await store.read(lambda tx: deletion.counts(tx, others.installation_id)) == before
    await deletion.delete(store, others.installation_id, "foreign")
