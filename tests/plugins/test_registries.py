"""Registries that a server trusts: what is installed from them, and what they revoke."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.plugins import installing, signatures
from bot.plugins.installing import Candidate
from bot.plugins.package import WrongPackage
from bot.plugins.registry import finding, index, looking
from bot.protocols.outgoing import Outgoing
from bot.times import DAY, SECOND
from store.engine.transaction import Store
from store.plugins import plugins, registries
from tests.support.http_service import http_service, raw
from tests.support.plugin_packages import package
from tests.support.plugin_registry import RegistryFolder, clear_registries
from tests.support.plugins import PluginOffice
from tests.support.story import Clock


@pytest.fixture
async def office(store: Store, clock: Clock, installation_id: int) -> AsyncIterator[PluginOffice]:
    made = PluginOffice(store, clock, installation_id)
    await made.clear()
    await clear_registries(store)
    yield made
    await clear_registries(store)
    await made.clear()


@pytest.fixture
async def registry(tmp_path: Path, office: PluginOffice) -> RegistryFolder:
    made = RegistryFolder(tmp_path)
    await made.add_to(office.store)
    return made


async def candidate(office: PluginOffice, name: str, wanted: str | None = None) -> Candidate:
    entry = await finding.find(office.store, name)
    return await finding.candidate(office.store, entry, finding.choice(entry, wanted), Outgoing())


async def install(office: PluginOffice, found: Candidate, *, update: bool = False) -> str:
    row = await installing.install(office.store, found, "operator", unsigned=False, update=update)
    return row["version"]


async def test_a_plug_in_is_installed_from_a_registry_updated_and_rolled_back(
    office: PluginOffice, registry: RegistryFolder
) -> None:
    registry.put(package())
    registry.build()
    await registry.look(office.store)
    assert await install(office, await candidate(office, "echo")) == "1.0.0"
    registry.put(package(version="1.1.0"))
    registry.put(package(version="2.0.0", hubbub='">=99.0"'))
    registry.build()
    await registry.look(office.store)
    assert await install(office, await candidate(office, "echo"), update=True) == "1.1.0"
    assert (await installing.roll_back(office.store, "echo"))["version"] == "1.0.0"
    with pytest.raises(WrongPackage, match="No registry that was read has a plug-in other"):
        await candidate(office, "other")
    with pytest.raises(WrongPackage, match=r"no echo 3\.0\.0\. It has 1\.0\.0, 1\.1\.0, 2\.0\.0"):
        await candidate(office, "echo", "3.0.0")


async def test_the_key_of_a_publisher_comes_from_the_registry_unless_one_is_pinned(
    office: PluginOffice, registry: RegistryFolder
) -> None:
    publisher, pinned = signatures.new_key(), signatures.public_key(signatures.new_key())
    registry.put(package(), publisher)
    registry.put(package("other"))
    registry.build()
    await registry.look(office.store)
    await office.store.write(lambda tx: plugins.put_trust(tx, "publisher", pinned, "example"))
    with pytest.raises(WrongPackage, match="which is not trusted for example"):
        await install(office, await candidate(office, "echo"))
    with pytest.raises(WrongPackage, match="is not signed"):
        await install(office, await candidate(office, "other"))
    await office.store.write(lambda tx: plugins.remove_trust(tx, "publisher", pinned))
    await install(office, await candidate(office, "echo"))
    row = await office.store.read(lambda tx: plugins.get(tx, "echo"))
    assert row is not None
    assert row["signed_by"] == signatures.public_key(publisher)


async def test_a_swapped_archive_is_refused(office: PluginOffice, registry: RegistryFolder) -> None:
    path = registry.put(package())
    registry.build()
    await registry.look(office.store)
    data = path.read_bytes()
    path.write_bytes(data[:50] + bytes([data[50] ^ 1]) + data[51:])
    with pytest.raises(WrongPackage, match="its checksum differs"):
        await candidate(office, "echo")
    registry.put(package(permissions="{role: tech-lead, operations: [list_tasks, list_agents]}"))
    with pytest.raises(WrongPackage, match=r"its checksum differs|has more than"):
        await candidate(office, "echo")


async def test_a_link_out_of_the_folder_is_refused(
    office: PluginOffice, registry: RegistryFolder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = registry.put(package())
    registry.build()
    await registry.look(office.store)
    outside = tmp_path_factory.mktemp("outside") / "package"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(WrongPackage, match="leads outside of the registry"):
        await candidate(office, "echo")


async def test_an_old_index_that_is_shown_again_changes_nothing(
    office: PluginOffice, registry: RegistryFolder, tmp_path: Path
) -> None:
    registry.put(package())
    registry.build()
    await registry.look(office.store)
    old = {each: tmp_path.joinpath(each).read_bytes() for each in looking.FILES}
    tmp_path.joinpath("revoked.txt").write_text("echo@1.0.0 it leaks\n")
    registry.build()
    await registry.look(office.store)
    for name, content in old.items():
        tmp_path.joinpath(name).write_bytes(content)
    with pytest.raises(WrongPackage, match="somebody shows an old index"):
        await registry.look(office.store)
    row = await registry.row(office.store)
    assert (row["state"], row["number"]) == ("failing", 2)
    with pytest.raises(WrongPackage, match=r"No version of echo|echo@1\.0\.0 is revoked"):
        await candidate(office, "echo")


async def test_a_registry_that_is_added_again_accepts_no_older_index(
    office: PluginOffice, registry: RegistryFolder, tmp_path: Path
) -> None:
    """Else somebody who shows an old one would lift its revocations."""
    registry.put(package())
    registry.build()
    old = {each: tmp_path.joinpath(each).read_bytes() for each in looking.FILES}
    registry.build()
    await registry.look(office.store)
    await registry.add_to(office.store)
    await office.store.write(lambda tx: registries.remove(tx, str(tmp_path)))
    await registry.add_to(office.store)
    for name, content in old.items():
        tmp_path.joinpath(name).write_bytes(content)
    with pytest.raises(WrongPackage, match="number 1, but 2 was read before"):
        await registry.look(office.store)
    # With another key it is another registry.
    renewed = RegistryFolder(tmp_path)
    await renewed.add_to(office.store)
    tmp_path.joinpath(index.INDEX).unlink()
    renewed.build()
    assert (await renewed.look(office.store)).number == 1


async def test_nothing_is_installed_from_an_index_that_has_expired(
    office: PluginOffice, registry: RegistryFolder, clock: Clock
) -> None:
    """Who keeps newer ones away could otherwise hide a revocation for as long as they like."""
    registry.put(package())
    now_s = await office.store.read(lambda tx: tx.now()) // SECOND
    registry.build(now_s, days=7)
    await registry.look(office.store)
    await candidate(office, "echo")
    clock.forward(8 * DAY / SECOND)
    with pytest.raises(WrongPackage, match="has expired, so it may hide what was revoked"):
        await candidate(office, "echo")


async def test_what_only_the_list_of_versions_revokes_is_stopped_too(
    office: PluginOffice, registry: RegistryFolder, tmp_path: Path
) -> None:
    registry.put(package())
    registry.build()
    await registry.look(office.store)
    await install(office, await candidate(office, "echo"))
    made = json.loads(tmp_path.joinpath(index.INDEX).read_bytes())
    made["number"] = 2
    made["plugins"][0]["versions"][0]["revoked"] = "it leaks"
    content = json.dumps(made).encode()
    tmp_path.joinpath(index.INDEX).write_bytes(content)
    tmp_path.joinpath(index.SIGNATURE).write_bytes(index.sign(content, registry.key))
    await registry.look(office.store)
    row = await office.store.read(lambda tx: plugins.get(tx, "echo"))
    assert row is not None
    assert row["state"] == "stopped"
    assert "It is revoked: it leaks" in str(row["why"])


async def test_a_search_proposes_an_older_version_only_in_place_of_a_revoked_one(
    office: PluginOffice, registry: RegistryFolder, tmp_path: Path
) -> None:
    async def command() -> str:
        [found] = (await office.call("search_plugins", plugin="echo"))["plugins"]
        return str(found["command"])

    registry.put(package())
    registry.build()
    await registry.look(office.store)
    assert await command() == "hubbub plugin install echo@1.0.0"
    await office.install(package(version="1.1.0"))
    assert await command() == ""
    registry.put(package(version="1.1.0"))
    tmp_path.joinpath("revoked.txt").write_text("echo@1.1 it leaks\n")
    registry.build()
    await registry.look(office.store)
    assert await command() == "hubbub plugin update echo@1.0.0 --downgrade"


async def test_a_revoked_version_is_stopped_at_the_next_look_and_people_are_told(
    office: PluginOffice, registry: RegistryFolder, tmp_path: Path
) -> None:
    registry.put(package())
    registry.build()
    await registry.look(office.store)
    await install(office, await candidate(office, "echo"))
    await office.enable("echo")
    tmp_path.joinpath("revoked.txt").write_text("echo@1.0.0 it leaks\n")
    registry.build()
    assert await looking.step(office.store) == 0
    agent = await office.agent("ada")
    with pytest.raises(Exception, match="It is revoked: it leaks"):
        await agent.call("echo__say")
    items = (await office.call("list_attention"))["items"]
    assert [each["kind"] for each in items] == ["plugin_failing"]
    assert "It is revoked: it leaks" in items[0]["title"]


async def test_a_look_that_fails_is_noted_and_the_next_one_may_succeed(
    office: PluginOffice, registry: RegistryFolder, tmp_path: Path
) -> None:
    with pytest.raises(WrongPackage, match=r"Cannot read index\.json"):
        await registry.look(office.store)
    assert (await registry.row(office.store))["state"] == "failing"
    tmp_path.joinpath(index.INDEX).write_bytes(b" " * (index.LARGEST + 1))
    with pytest.raises(WrongPackage, match="has more than 1048576 bytes"):
        await registry.look(office.store)
    tmp_path.joinpath(index.INDEX).unlink()
    registry.build()
    await registry.look(office.store)
    assert (await registry.row(office.store))["state"] == "read"


async def test_a_newer_index_lifts_its_own_revocations_only(
    office: PluginOffice, registry: RegistryFolder, tmp_path: Path
) -> None:
    registry.put(package())
    registry.put(package("other"))
    registry.build()
    await registry.look(office.store)
    await install(office, await candidate(office, "echo"))
    revoked = tmp_path.joinpath("revoked.txt")
    revoked.write_text(f"echo@1.0.0 {'it leaks ' * 40}\nother@1.0.0 it leaks\n")
    registry.build()
    await registry.look(office.store)
    await office.store.write(lambda tx: plugins.put_trust(tx, "revoked", "b@1.0.0", "by hand"))
    row = await office.store.read(lambda tx: plugins.get(tx, "echo"))
    assert row is not None
    assert row["state"] == "stopped"
    revoked.write_text("other@1.0.0 it leaks\n")
    registry.build()
    await registry.look(office.store)
    rows = await office.store.read(plugins.trust_rows)
    assert [each["subject"] for each in rows] == ["b@1.0.0", "other@1.0.0"]
    row = await office.store.read(lambda tx: plugins.get(tx, "echo"))
    assert row is not None
    assert (row["state"], row["why"]) == ("installed", None)


async def at_address(office: PluginOffice, url: str, *, trusted: str, size: int = 0) -> Candidate:
    """The archive of echo, as if the index named this address."""
    entry = await finding.find(office.store, "echo")
    wanted = finding.choice(entry, None)
    changed = wanted.model_copy(update={"archive": None, "url": url, "size": size or wanted.size})
    return await finding.candidate(office.store, entry, changed, Outgoing({trusted}))


async def test_an_archive_is_downloaded_from_the_address_in_the_index(
    office: PluginOffice, registry: RegistryFolder
) -> None:
    data = registry.put(package()).read_bytes()
    registry.build()
    await registry.look(office.store)
    async with http_service() as service:
        url, origin = f"{service.origin}/echo", service.origin

        async def refusal(url: str = url, size: int = 0) -> str:
            with pytest.raises(WrongPackage) as caught:
                await at_address(office, url, trusted=origin, size=size)
            return str(caught.value)

        service.replies.append(raw(data))
        found = await at_address(office, url, trusted=origin)
        assert await install(office, found) == "1.0.0"
        service.replies.append(raw(data[:-1] + b"x"))
        assert "its checksum differs" in await refusal()
        service.replies.append(raw(data + b"x"))
        assert f"more than {len(data)} bytes" in await refusal()
        inner = {"Location": "http://127.0.0.1:1/secret"}
        service.replies.append(raw(status=302, headers=inner))
        assert "answered 302" in await refusal()
        assert "a host on the internet" in await refusal("https://127.0.0.1:1/echo")
