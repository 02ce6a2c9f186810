"""Installing, updating and removing: either the old version is there, or the new one."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.plugins import failures, installing, plugin_code, revoking, signatures, stored_packages
from bot.plugins.package import WrongPackage, pack
from store.engine.transaction import Store, Tx
from store.plugins import plugins
from tests.support.plugin_packages import ECHO, package
from tests.support.plugins import OPERATOR, PluginOffice
from tests.support.story import Clock


@pytest.fixture
async def office(store: Store, clock: Clock, installation_id: int) -> AsyncIterator[PluginOffice]:
    made = PluginOffice(store, clock, installation_id)
    await made.clear()
    yield made
    await made.clear()


async def versions(office: PluginOffice) -> list[str]:
    rows = await office.store.read(plugins.all_of)
    return [f"{row['name']} {row['version']}" for row in rows]


async def why_not(office: PluginOffice, *, update: bool = False, **changed: str) -> str:
    with pytest.raises(WrongPackage) as error:
        await office.install(package(**changed), update=update)  # type: ignore[arg-type]
    return str(error.value)


async def test_an_update_is_used_at_the_next_call_and_can_be_taken_back(
    office: PluginOffice,
) -> None:
    await office.use(package())
    assert (await office.call("echo__say", text="a"))["result"] == {"said": "a"}
    newer = {"echo.py": ECHO.replace(b'"said"', b'"told"')}
    await office.install(package(version="1.1.0", files=newer), update=True)
    assert (await office.call("echo__say", text="a"))["result"] == {"told": "a"}
    await installing.roll_back(office.store, "echo")
    assert (await office.call("echo__say", text="a"))["result"] == {"said": "a"}
    assert await versions(office) == ["echo 1.0.0"]


async def test_what_is_not_signed_needs_the_word_of_the_operator(office: PluginOffice) -> None:
    with pytest.raises(WrongPackage, match="is not signed"):
        await installing.install(
            office.store, installing.of_package(package()), OPERATOR, unsigned=False, update=False
        )
    private = signatures.new_key()
    signed = signatures.sign(package(), private)
    key = signatures.public_key(private)
    await office.store.write(lambda tx: plugins.put_trust(tx, "publisher", key, "example"))
    row = await installing.install(
        office.store, installing.of_package(signed), OPERATOR, unsigned=False, update=False
    )
    assert row["signed_by"] == key
    await office.store.write(lambda tx: plugins.put_trust(tx, "revoked", key, "it was stolen"))
    assert await office.store.write(revoking.stop_revoked) == ["echo"]
    assert (await office.refused("manage_plugin", plugin="echo", action="enable")).endswith(
        "is stopped: It is revoked: it was stolen."
    )
    await office.store.write(lambda tx: plugins.remove_trust(tx, "publisher", key))
    await office.store.write(lambda tx: plugins.remove_trust(tx, "revoked", key))


async def test_what_does_not_fit_is_refused_with_the_reason(office: PluginOffice) -> None:
    assert "echo 1.0.0 works with Hubbub >=9.0" in await why_not(office, hubbub='">=9.0"')
    assert "It needs the plug-in base >=1.0" in await why_not(office, needs='{base: ">=1.0"}')
    await office.install(package("base", "1.5.0"))
    assert "It needs base >=2.0; installed is 1.5.0" in await why_not(
        office, needs='{base: ">=2.0"}'
    )
    await office.install(package(needs='{base: ">=1.0,<2.0"}'))
    assert "echo needs base >=1.0,<2.0; this is 2.0.0" in await why_not(
        office, name="base", version="2.0.0", update=True
    )
    assert "need each other in a circle" in await why_not(
        office, name="base", version="1.6.0", needs='{echo: ">=1.0"}', update=True
    )
    with pytest.raises(WrongPackage, match="echo needs base"):
        await installing.remove(office.store, "base")
    assert await versions(office) == ["base 1.5.0", "echo 1.0.0"]


async def test_an_installed_one_is_updated_and_not_installed_again(office: PluginOffice) -> None:
    assert "echo is not installed" in await why_not(office, update=True)
    await office.install(package())
    assert "echo 1.0.0 is installed" in await why_not(office)
    assert "The installed echo is of example, this one of other" in await why_not(
        office, publisher="other", update=True
    )


async def test_an_older_version_is_refused_unless_it_is_asked_for(office: PluginOffice) -> None:
    """Also if it is signed: an old version has faults that a new one mends."""
    await office.install(package(version="1.10.0"))
    assert "echo 1.10.0 is installed, which is newer than 1.9.0" in await why_not(
        office, version="1.9.0", update=True
    )
    assert await versions(office) == ["echo 1.10.0"]
    older = installing.of_package(package(version="1.9.0"))
    terms = {"unsigned": True, "update": True, "downgrade": True}
    await installing.install(office.store, older, OPERATOR, **terms)
    await installing.roll_back(office.store, "echo")
    # The same version with other files is no older one.
    await office.install(package(version="1.10", files={"echo.py": ECHO + b"#"}), update=True)
    assert await versions(office) == ["echo 1.10"]


@pytest.mark.parametrize(("given", "revoked"), [("1.2", "1.2.0"), ("1.2.0", "1.2")])
async def test_a_version_is_revoked_however_it_is_written(
    office: PluginOffice, given: str, revoked: str
) -> None:
    await office.install(package(version=given))
    subject = f"echo@{revoked}"
    await office.store.write(lambda tx: plugins.put_trust(tx, "revoked", subject, "it leaks"))
    assert "echo@1.2.0 is revoked: it leaks" in await why_not(office, version=given, update=True)
    assert await office.store.write(revoking.stop_revoked) == ["echo"]
    await office.store.write(lambda tx: plugins.remove_trust(tx, "revoked", subject))


class Killed(Exception):
    """The process ended here."""


async def test_a_process_that_is_killed_leaves_the_old_version_or_the_new_one(
    office: PluginOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write of an update is in turn the last one of a process."""
    monkeypatch.setattr(stored_packages, "PART", 200)
    await office.use(package())
    newer = package(version="1.1.0", files={"echo.py": ECHO.replace(b'"said"', b'"told"')})
    write, seen = office.store.write, set[str]()
    for last in range(1, 12):
        done = 0

        async def write_until_killed(work: object, last: int = last) -> object:
            nonlocal done
            done += 1
            if done > last:
                raise Killed
            return await write(work)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(office.store, "write", write_until_killed)
            try:
                await office.install(newer, update=True)
            except Killed:
                pass
            else:
                seen.add("done")
        result = (await office.call("echo__say", text="a"))["result"]
        [version] = await versions(office)
        assert [*result] == [{"echo 1.0.0": "said", "echo 1.1.0": "told"}[version]]
        seen |= set(await versions(office))
    assert seen == {"echo 1.0.0", "echo 1.1.0", "done"}


async def test_parts_of_a_package_that_were_stored_wrongly_are_replaced(
    office: PluginOffice,
) -> None:
    made = package()
    await office.store.write(lambda tx: plugins.put_part(tx, made.digest, 0, b"half a pack"))
    await office.use(made)
    assert (await office.call("echo__say"))["result"] == {"said": ""}


async def test_a_package_that_was_changed_in_the_database_is_not_run(office: PluginOffice) -> None:
    await office.use(package())
    other = pack(package(files={"echo.py": ECHO + b"# evil"}))

    async def change(tx: Tx) -> None:
        await plugins.remove_parts(tx, package().digest, 2**62)
        await plugins.put_part(tx, package().digest, 0, other)

    await office.store.write(change)
    assert "not the one that was installed" in await office.refused("echo__say")


async def test_a_removed_plug_in_is_gone_with_its_settings(office: PluginOffice) -> None:
    await office.use(package())
    await installing.remove(office.store, "echo")
    assert (await office.refused("echo__say")).startswith("unknown_tool")
    assert await office.rows("SELECT 1 FROM plugin_installations WHERE installation_id = :i") == []
    with pytest.raises(WrongPackage, match="No plug-in echo is installed"):
        await installing.remove(office.store, "echo")


# --- Distributions -------------------------------------------------------------------------------


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Python environment with the plug-in as a distribution."""
    folder, info = tmp_path / "echo_plugin", tmp_path / "echo_plugin-1.0.0.dist-info"
    folder.mkdir()
    info.mkdir()
    manifest = package(entry="echo_plugin:plugin").files["hubbub-plugin.yml"]
    (folder / "__init__.py").write_bytes(ECHO)
    (folder / "hubbub-plugin.yml").write_bytes(manifest)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: echo-plugin\nVersion: 1.0.0\n")
    (info / "entry_points.txt").write_text("[hubbub.plugins]\necho = echo_plugin:plugin\n")
    files = ("echo_plugin/__init__.py", "echo_plugin/hubbub-plugin.yml", f"{info.name}/METADATA")
    (info / "RECORD").write_text("".join(f"{each},,\n" for each in files))
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("echo_plugin", None)  # of the test before
    return folder


async def install_distribution(office: PluginOffice, *, update: bool = False) -> None:
    candidate = installing.of_distribution("echo")
    await installing.install(office.store, candidate, OPERATOR, unsigned=True, update=update)


async def test_a_distribution_is_imported_at_its_first_use(
    office: PluginOffice, environment: Path
) -> None:
    await install_distribution(office)
    await office.enable("echo")
    assert "echo_plugin" not in sys.modules
    assert (await office.call("echo__say", text="a"))["result"] == {"said": "a"}
    assert str(environment) in str(sys.modules["echo_plugin"].__file__)


async def test_a_distribution_whose_files_changed_is_stopped_and_says_so(
    office: PluginOffice, environment: Path
) -> None:
    await install_distribution(office)
    await office.enable("echo")
    (environment / "__init__.py").write_bytes(ECHO.replace(b'"said"', b'"told"'))
    assert "not those that were installed" in await office.refused("echo__say")
    [shown] = (await office.call("list_plugins"))["plugins"]
    assert shown["state"] == "stopped"
    assert "run `hubbub plugin update echo`" in shown["why"]
    await install_distribution(office, update=True)
    assert (await office.call("echo__say", text="a"))["result"] == {"told": "a"}


@pytest.mark.usefixtures("environment")
async def test_a_distribution_that_cannot_be_loaded_here_is_not_stopped_elsewhere(
    office: PluginOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This server may be too busy to load it in time."""
    await install_distribution(office)
    await office.enable("echo")
    with monkeypatch.context() as patch:
        patch.setattr(plugin_code, "LOAD_S", 0.0)
        assert "seconds to load" in await office.refused("echo__say")
    assert (await office.call("echo__say", text="a"))["result"] == {"said": "a"}


async def test_a_server_that_is_behind_in_an_update_does_not_stop_a_distribution(
    office: PluginOffice, environment: Path
) -> None:
    """Nor one that does not have it yet."""
    await install_distribution(office)
    await office.enable("echo")
    (environment / "__init__.py").write_bytes(ECHO.replace(b'"said"', b'"told"'))
    await install_distribution(office, update=True)
    (environment / "__init__.py").write_bytes(ECHO)
    assert "still has the version before" in await office.refused("echo__say")
    points = environment.parent / "echo_plugin-1.0.0.dist-info" / "entry_points.txt"
    points.write_text("")
    for _ in range(failures.MOST_FAILURES):
        assert "is not in the Python environment of this" in await office.refused("echo__say")
    [shown] = (await office.call("list_plugins"))["plugins"]
    assert shown["state"] == "on"


@pytest.mark.usefixtures("environment")
async def test_a_distribution_that_was_revoked_cannot_be_installed_again(
    office: PluginOffice,
) -> None:
    await install_distribution(office)
    digest = installing.of_distribution("echo").digest

    async def revoke(tx: Tx) -> list[str]:
        await plugins.put_trust(tx, "revoked", digest, "it spies")
        return await revoking.stop_revoked(tx)

    assert await office.store.write(revoke) == ["echo"]
    with pytest.raises(WrongPackage, match="is revoked: it spies"):
        await install_distribution(office, update=True)
    await office.store.write(lambda tx: plugins.remove_trust(tx, "revoked", digest))


def test_a_signature_must_cover_all_of_a_distribution(environment: Path) -> None:
    private = signatures.new_key()
    signed = signatures.sign(installing.of_distribution("echo").package, private)
    assert signed.signature is not None
    (environment / "hubbub-plugin.sig").write_bytes(signed.signature)
    record = environment.parent / "echo_plugin-1.0.0.dist-info" / "RECORD"
    record.write_text(record.read_text() + "echo_plugin/hubbub-plugin.sig,,\n")
    key = signatures.public_key(private)
    found = installing.of_distribution("echo").package
    assert signatures.verify(found, signatures.Trust({"example": frozenset({key})}, {})) == key
    record.write_text(record.read_text() + "sitecustomize.py,,\n")
    with pytest.raises(WrongPackage, match="does not cover sitecustomize"):
        installing.of_distribution("echo")


def test_an_unknown_name_is_no_distribution() -> None:
    with pytest.raises(WrongPackage, match="no distribution in this Python environment"):
        installing.of_distribution("nothing-here")


# --- Code ----------------------------------------------------------------------------------------

# A module, and a part of why it cannot be loaded.
BROKEN = {
    "import no_such_module": "It cannot be loaded: ModuleNotFoundError",
    "def": "It cannot be loaded: SyntaxError",
    "plugin = 1 / 0": "It cannot be loaded: ZeroDivisionError",
    "plugin = object()": "The manifest adds operations that the code lacks: ['say']",
    "other = 1": "It cannot be loaded: AttributeError",
    "raise SystemExit": "It cannot be loaded",
}


@pytest.mark.parametrize("code", BROKEN)
async def test_code_that_cannot_be_loaded_says_why(code: str) -> None:
    with pytest.raises(WrongPackage) as error:
        await plugin_code.load_package(package(files={"echo.py": code.encode()}))
    assert BROKEN[code] in str(error.value)


async def test_code_that_hangs_while_it_is_loaded_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plugin_code, "LOAD_S", 0.2)
    with pytest.raises(WrongPackage, match="seconds to load"):
        await plugin_code.load_package(package(files={"echo.py": b"while True: pass"}))


async def test_an_operation_that_the_manifest_lacks_is_named() -> None:
    more = ECHO.replace(b'"say": self.say', b'"say": self.say, "shout": self.say')
    with pytest.raises(WrongPackage, match="that the manifest lacks: \\['shout'\\]"):
        await plugin_code.load_package(package(files={"echo.py": more}))
