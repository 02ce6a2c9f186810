"""Values that plug-ins keep between their calls."""

from collections.abc import AsyncIterator

import pytest

from bot.errors import Refused
from bot.identity.keyring import Broken, Keys
from bot.plugins import installing, values
from bot.plugins.values import Values
from store.engine.transaction import Store
from tests.support.plugin_packages import package
from tests.support.plugins import PluginOffice
from tests.support.story import Clock

CODE = b"""\
import pluggy

hook = pluggy.HookimplMarker("hubbub")


class Plugin:
    @hook
    def operations(self):
        return {"say": self.say}

    async def say(self, hubbub, text=""):
        said = await hubbub.change("said", lambda before: [*before, text], default=[])
        try:
            await hubbub.call("put_value", {"name": "said", "value": 1, "expected_version": 7})
        except hubbub.Refused as exc:
            return {"said": said, "kept": await hubbub.get("said"), "refused": exc.code}


plugin = Plugin()
"""


@pytest.fixture
async def office(store: Store, clock: Clock, installation_id: int) -> AsyncIterator[PluginOffice]:
    made = PluginOffice(store, clock, installation_id)
    await made.clear()
    yield made
    await made.clear()


def of(office: PluginOffice, plugin: str = "echo", installation: int | None = None) -> Values:
    i = installation or office.installation_id
    return Values(office.store, office.plugins.keys, i, plugin)


async def refused(kept: Values, operation: str, **arguments: object) -> str:
    with pytest.raises(Refused) as raised:
        await values.call(kept, operation, arguments)
    return f"{raised.value.code}: {raised.value.message}"


async def test_a_plug_in_keeps_what_it_needs_again(office: PluginOffice) -> None:
    await office.use(package(files={"echo.py": CODE}))
    await office.call("echo__say", text="a")
    found = (await office.call("echo__say", text="b"))["result"]
    assert found == {"said": ["a", "b"], "kept": ["a", "b"], "refused": "version_conflict"}
    [row] = await office.rows("SELECT sealed FROM plugin_values WHERE installation_id = :i")
    assert b'"a"' not in row["sealed"]
    await installing.remove(office.store, "echo")
    assert await office.rows("SELECT name FROM plugin_values WHERE installation_id = :i") == []


async def test_each_plug_in_and_each_installation_has_its_own_values(office: PluginOffice) -> None:
    own, put = of(office), {"name": "a", "value": 1, "expected_version": 0}
    await values.call(own, "put_value", put)
    for other in (of(office, "other"), of(office, installation=office.installation_id + 1)):
        assert await values.call(other, "list_values", {}) == {"names": []}
        found = await values.call(other, "get_value", {"name": "a"})
        assert found == {"name": "a", "value": None, "version": 0}


async def test_a_change_names_the_version_that_it_builds_on(office: PluginOffice) -> None:
    kept = of(office)

    async def put(value: object, version: int) -> object:
        given = {"name": "a", "value": value, "expected_version": version}
        return (await values.call(kept, "put_value", given))["version"]

    assert [await put(1, 0), await put(2, 1)] == [1, 2]
    for version in (0, 1, 3):
        given = {"name": "a", "value": 3, "expected_version": version}
        assert (await refused(kept, "put_value", **given)).startswith("version_conflict: ")
    assert await put(None, 2) == 0
    assert (await values.call(kept, "list_values", {"prefix": "a"}))["names"] == []
    assert [await put(None, 0), await put(4, 0)] == [0, 1]
    assert (await values.call(kept, "list_values", {"prefix": "a"}))["names"] == ["a"]
    assert (await values.call(kept, "list_values", {"prefix": "b"}))["names"] == []


async def test_values_are_bounded(office: PluginOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, given = of(office), {"name": "a", "value": "x" * 65_536, "expected_version": 0}
    assert (await refused(kept, "put_value", **given)).startswith("too_large: ")
    assert "`name`" in await refused(kept, "get_value", name="with a blank")
    monkeypatch.setattr(values, "MOST", 0)
    given["value"] = 1
    assert (await refused(kept, "put_value", **given)).startswith("too_many: ")


async def test_a_value_that_another_secret_encrypted_is_an_error_in_words(
    office: PluginOffice,
) -> None:
    kept = of(office)
    await values.call(kept, "put_value", {"name": "a", "value": 1, "expected_version": 0})
    other = Values(office.store, Keys("5b" * 32), office.installation_id, "echo")
    with pytest.raises(Broken):
        await other.get(values.GetValue(name="a"))
    assert (await refused(other, "get_value", name="a")).startswith("plugin_failed: ")
