"""The pages of plug-ins: installed ones, those of registries, and the buttons."""

import html
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.kernel.outside import Outside
from bot.plugins import installing
from bot.plugins.running import Plugins
from store.plugins import plugins, registries
from tests.support.login import LoginServer
from tests.support.page import HERE, confirm, signed_in, text_of
from tests.support.plugin_packages import package
from tests.support.plugin_registry import RegistryFolder, clear_registries

EVIL = "<script>alert(1)</script>"
SETTINGS = (
    "{word: {description: The word}, key: {type: secret, description: The key}, "
    "hours: {type: number, description: Hours}, loud: {type: boolean, description: Loud}, "
    "names: {type: list, description: Names}}"
)


@pytest.fixture(autouse=True)
async def _nothing_is_left(server: LoginServer) -> AsyncIterator[None]:
    workspace = server.workspace
    found = Plugins(workspace.store, workspace.dispatcher.shared.keys)
    shared = replace(workspace.dispatcher.shared, outside=Outside(plugins=found))
    workspace.dispatcher.shared = shared
    yield
    for row in await workspace.store.read(plugins.all_of):
        await installing.remove(workspace.store, row["name"])
    await clear_registries(workspace.store)


def buttons(text: str, name: str) -> list[str]:
    return [html.unescape(each) for each in re.findall(rf'href="([^"]*/do/{name}[^"]*)"', text)]


async def test_a_plug_in_is_turned_on_with_its_settings_and_off(server: LoginServer) -> None:
    browser = await signed_in(server)
    assert "No plug-in is installed" in await text_of(browser, f"{HERE}/plugins")
    given = installing.of_package(package(settings=SETTINGS, description=f"'{EVIL}'"))
    await installing.install(server.workspace.store, given, "operator", unsigned=True, update=False)
    listed = await text_of(browser, f"{HERE}/plugins")
    assert EVIL not in listed
    assert f"{HERE}/plugins/echo" in listed
    page = await text_of(browser, f"{HERE}/plugins/echo")
    assert "<code>echo__say</code>: Says it again" in page
    (enable,) = buttons(page, "enable-plugin")
    form = await text_of(browser, enable)
    assert '<input type="password" name="setting.key"' in form
    filled = {
        "plugin": "echo",
        "back": f"{HERE}/plugins/echo",
        "setting.word": "Ahoy",
        "setting.key": "s3cret-key",
        "setting.hours": "24",
        "setting.loud": "true",
        "setting.names": "ada, bob",
    }
    mistaken = filled | {"setting.hours": "x"}
    wrong = await browser.open(f"{HERE}/do/enable-plugin", "POST", **mistaken)
    assert 'name="setting.hours" aria-invalid="true"' in wrong.text
    done = await confirm(browser, enable, **filled)
    assert done.location == f"{HERE}/plugins/echo?done=enable-plugin"
    shown = await text_of(browser, f"{HERE}/plugins/echo")
    assert ">on<" in shown
    assert "s3cret-key" not in shown
    assert shown.count("<td>set</td>") == 5
    (disable,) = buttons(shown, "disable-plugin")
    await confirm(browser, disable)
    assert ">off<" in await text_of(browser, f"{HERE}/plugins/echo")


async def test_plug_ins_of_a_registry_have_ratings_and_reviews_as_plain_text(
    server: LoginServer, tmp_path: Path
) -> None:
    workspace, folder = server.workspace, RegistryFolder(tmp_path)
    issue = workspace.person.open_issue(workspace.repository, "Reviews of echo")
    workspace.person.comment(issue, f"Good. {EVIL} **bold**")
    await workspace.settle()
    tmp_path.joinpath("registry.json").write_text(f'{{"issues": {{"echo": {issue.number}}}}}')
    folder.put(package(permissions="{role: tester, operations: [list_tasks]}"))
    folder.build()
    await folder.add_to(workspace.store)
    await folder.look(workspace.store)
    place, i = str(tmp_path), workspace.installation.id
    repository = workspace.repository.id

    async def rate(tx: object) -> None:
        await registries.put_place(tx, place, i, repository, is_public=True)  # type: ignore[arg-type]
        await registries.put_rating(tx, i, repository, issue.number, 7, 1)  # type: ignore[arg-type]

    await workspace.store.write(rate)
    browser = await signed_in(server)
    listed = await text_of(browser, f"{HERE}/plugins")
    for each in ("7 for, 1 against", f"{HERE}/registry/echo"):
        assert each in listed
    assert "No plug-in with these words" in await text_of(browser, f"{HERE}/plugins?words=other")
    shown = await text_of(browser, f"{HERE}/registry/echo")
    for each in ("hubbub plugin install echo@1.0.0", "list_tasks", html.escape(EVIL), "**bold**"):
        assert each in shown, each
    assert EVIL not in shown
