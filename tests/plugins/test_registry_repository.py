"""A registry in a repository on GitHub: read like code, with ratings and reviews."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.kernel.outside import Outside
from bot.plugins import installing, signatures
from bot.plugins.package import WrongPackage
from bot.plugins.registry import finding, looking, places
from bot.plugins.registry.places import Pending
from bot.plugins.running import Plugins
from bot.protocols.outgoing import Outgoing
from fixtures.github.git_objects import content_of
from store.plugins import registries
from store.tables.plugins import PluginRegistryRow
from tests.support.engines import ON_SQLITE
from tests.support.plugin_packages import ECHO, package
from tests.support.plugin_registry import RegistryFolder, clear_registries
from tests.support.story import Workspace


@pytest.fixture
async def folder(workspace: Workspace, tmp_path: Path) -> AsyncIterator[RegistryFolder]:
    """A clone of the registry's repository."""
    await clear_registries(workspace.store)
    made = RegistryFolder(tmp_path)
    made.put(package())
    yield made
    await clear_registries(workspace.store)


async def row_of(workspace: Workspace) -> PluginRegistryRow:
    name = workspace.repository.full_name
    found = await workspace.store.read(lambda tx: registries.get(tx, name))
    assert found is not None
    return found


async def publish(workspace: Workspace, folder: RegistryFolder) -> None:
    folder.build()
    paths = (*looking.FILES, *(each.name for each in folder.path.glob("*.hubbub-plugin")))
    files = {each: content_of(folder.path.joinpath(each).read_bytes()) for each in paths}
    workspace.person.push(workspace.repository, "main", {**files, "packages/a/b.txt": "deep"})
    await workspace.settle()


async def add(workspace: Workspace, folder: RegistryFolder) -> None:
    name, key = workspace.repository.full_name, folder.public
    await workspace.store.write(lambda tx: registries.add(tx, name, "repository", key, "operator"))


async def look(workspace: Workspace) -> None:
    """Look until GitHub has given all of it."""
    for _ in range(6):
        try:
            await looking.look(workspace.store, await row_of(workspace))
        except Pending:
            await workspace.settle()
        else:
            return
    raise AssertionError("it is still pending")


async def read(workspace: Workspace, wanted: dict[str, int]) -> dict[str, bytes]:
    """Read files until GitHub has given all of them."""
    for _ in range(6):
        try:
            return await places.read(workspace.store, await row_of(workspace), wanted)
        except Pending:
            await workspace.settle()
    raise AssertionError("it is still pending")


async def search(workspace: Workspace, installation_id: int, **given: Any) -> Any:
    actor = Actor(installation_id, "operator", "tech-lead")
    answer = await workspace.dispatcher.call(actor, "search_plugins", given)
    return answer["plugins"][0]


@ON_SQLITE  # a registry is found by name, and other tests have repositories of the same
async def test_it_is_read_and_rated_and_reviewed_on_github(
    workspace: Workspace, folder: RegistryFolder
) -> None:
    person = workspace.person
    issue = person.open_issue(workspace.repository, "Reviews of echo")
    person.react(issue, "+1")
    person.comment(issue, "It echoes.")
    about = f'{{"issues": {{"echo": {issue.number}}}}}'
    folder.path.joinpath("registry.json").write_text(about)
    await publish(workspace, folder)
    await add(workspace, folder)
    await look(workspace)
    # The place in the mirror is known after the first look, so the second one asks for ratings.
    await look(workspace)
    await workspace.settle()
    assert (await row_of(workspace))["number"] == 1
    found = await search(workspace, workspace.installation.id, plugin="echo")
    assert (found["rating"]["likes"], found["rating"]["dislikes"]) == (1, 0)
    assert [(each["author"], each["text"]) for each in found["reviews"]] == [
        (person.login, "It echoes.")
    ]
    name, home = workspace.repository.full_name, workspace.installation.id
    repository = workspace.repository.id
    await workspace.store.write(
        lambda tx: registries.put_place(tx, name, home, repository, is_public=False)
    )
    foreign = await search(workspace, home + 1, plugin="echo")
    assert (foreign["rating"], foreign["reviews"]) == (None, [])


@ON_SQLITE  # a registry is found by name, and other tests have repositories of the same
async def test_files_in_folders_are_read_and_others_are_refused(
    workspace: Workspace, folder: RegistryFolder
) -> None:
    await publish(workspace, folder)
    await add(workspace, folder)
    await look(workspace)
    assert await read(workspace, {"packages/a/b.txt": 100}) == {"packages/a/b.txt": b"deep"}
    for path, why in (("none.txt", "has no file"), ("packages/a", "has no file")):
        with pytest.raises(WrongPackage, match=why):
            await places.read(workspace.store, await row_of(workspace), {path: 100})
    with pytest.raises(WrongPackage, match="has more than 2 bytes"):
        await places.read(workspace.store, await row_of(workspace), {"packages/a/b.txt": 2})


async def test_a_repository_without_the_app_is_refused_in_words(workspace: Workspace) -> None:
    add_other = registries.add
    await workspace.store.write(
        lambda tx: add_other(tx, "acme/elsewhere", "repository", "k", "operator")
    )
    row = await workspace.store.read(lambda tx: registries.get(tx, "acme/elsewhere"))
    assert row is not None
    with pytest.raises(WrongPackage, match="The App is not installed on acme/elsewhere"):
        await looking.look(workspace.store, row)
    await clear_registries(workspace.store)


@ON_SQLITE  # a registry is found by name, and other tests have repositories of the same
async def test_a_plug_in_is_installed_from_the_repository_and_runs(
    workspace: Workspace, folder: RegistryFolder
) -> None:
    """From the index on GitHub to its operation. The archive is nearly as large as it may be."""
    publisher, store = signatures.new_key(), workspace.store
    noise = secrets.token_bytes(900_000)
    folder.path.joinpath(package().name).unlink()
    folder.put(package(files={"echo.py": ECHO, "noise.bin": noise}), publisher)
    await publish(workspace, folder)
    await add(workspace, folder)
    await look(workspace)
    entry = await finding.find(store, "echo")
    wanted = finding.choice(entry, None)
    assert wanted.archive is not None
    await read(workspace, {wanted.archive: wanted.size})
    found = await finding.candidate(store, entry, wanted, Outgoing())
    row = await installing.install(store, found, "operator", unsigned=False, update=False)
    assert (row["version"], row["signed_by"]) == ("1.0.0", signatures.public_key(publisher))
    shared = workspace.dispatcher.shared
    made = Plugins(store, shared.keys)
    dispatcher = Dispatcher(store, replace(shared, outside=Outside(plugins=made)))
    person = Actor(workspace.installation.id, "operator", "tech-lead")
    await dispatcher.call(person, "manage_plugin", {"plugin": "echo", "action": "enable"})
    answer = await dispatcher.call(person, "echo__say", {"text": "hello"})
    assert answer["result"] == {"said": "hello"}
    await installing.remove(store, "echo")
