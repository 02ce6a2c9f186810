"""The plug-ins of this repository: signed, scanned, installed, and tested as their readers do."""

import io
import sys
import unittest
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.plugins import installing, package, plugin_code, scanning, signatures
from bot.plugins.package import WrongPackage
from store.engine.database import open_store
from store.plugins import plugins
from tests.support import bubblewrap

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/tutorials/plugins"
NAMES = sorted(each.parent.name for each in FOLDER.glob("*/hubbub-plugin.yml"))


@pytest.fixture(params=NAMES)
def folder(request: pytest.FixtureRequest) -> Path:
    found = FOLDER / str(request.param)
    if "kind: process" in (found / "hubbub-plugin.yml").read_text():
        bubblewrap.skip_without()
    return found


@pytest.fixture
def testing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`hubbub.testing` as `hubbub plugin test` has it. What a test imports is forgotten again."""
    monkeypatch.syspath_prepend(ROOT / "bot/wheel")
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("hubbub", "test_plugin", "owners"):
            del sys.modules[name]


@pytest.mark.usefixtures("testing")
def test_its_own_tests_pass(folder: Path) -> None:
    found = unittest.TestLoader().discover(str(folder), pattern="test*.py", top_level_dir=None)
    printed = io.StringIO()
    ended = unittest.TextTestRunner(printed).run(found)
    sys.path.remove(str(folder))
    assert ended.testsRun > 0
    assert ended.wasSuccessful(), printed.getvalue()


async def test_it_is_signed_scanned_and_installed(
    folder: Path, sqlite_url: str, tmp_path: Path
) -> None:
    store = await open_store(sqlite_url)
    key = signatures.new_key()
    packed = tmp_path / "package"
    packed.write_bytes(package.pack(signatures.sign(package.read(folder), key)))
    found = package.read(packed)
    report = scanning.scan(found, [])
    assert [each for each in report.findings if each.severity == "danger"] == []
    candidate = installing.of_package(found)
    options = {"unsigned": False, "update": False}
    with pytest.raises(WrongPackage, match="not trusted"):
        await installing.install(store, candidate, "operator", **options)
    trusted = signatures.public_key(key)
    publisher = found.manifest.publisher
    await store.write(lambda tx: plugins.put_trust(tx, "publisher", trusted, publisher))
    await plugin_code.try_package(found)
    row = await installing.install(store, candidate, "operator", **options)
    assert (row["name"], row["signed_by"]) == (folder.name, trusted)
    await store.close()


def test_each_uses_another_part_of_the_interface() -> None:
    manifests = {each: package.read(FOLDER / each).manifest for each in NAMES}
    used = {
        (each.kind, *(k for k, v in each.adds.model_dump().items() if v))
        for each in manifests.values()
    }
    assert len(used) == len(NAMES) == 5
