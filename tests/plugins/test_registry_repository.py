"""A registry in a repository on GitHub: read like code, with ratings and reviews."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.identity.actors import Actor
from bot.plugins.package import WrongPackage
from bot.plugins.registry import looking, places
from bot.plugins.registry.places import Pending
from store.plugins import registries
from store.tables.plugins import PluginRegistryRow
from tests.support.engines import ON_SQLITE
from tests.support.plugin_packages import package
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
    files = {each: folder.path.joinpath(each).read_text() for each in looking.FILES}
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
    wanted = {"packages/a/b.txt": 100}
    for _ in range(6):
        try:
            found = await places.read(workspace.store, await row_of(workspace), wanted)
        except Pending:
            await workspace.settle()
        else:
            break
    assert found == {"packages/a/b.txt": b"deep"}
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
