"""What `make dist` builds; `make test-wheel` installs it."""

import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("bot", "fixtures", "mcp_server", "store", "webhooks")
# Read by tests alone.
LEFT_OUT = {"fixtures/github/contract.py", "fixtures/tools.json"}
WRAPPER = "bot/wheel/"


@dataclass(frozen=True)
class Built:
    wheel: Path
    archive: Path


def build(target: str, source: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built")
    return Built(build("wheel", ROOT, folder / "wheel"), build("sdist", ROOT, folder / "sdist"))


def names(wheel: Path) -> set[str]:
    with ZipFile(wheel) as file:
        return set(file.namelist())


def test_an_installed_wheel_owns_one_name(built: Built) -> None:
    assert {name.split("/")[0] for name in names(built.wheel)} == {
        "hubbub",
        "-".join(built.wheel.name.split("-")[:2]) + ".dist-info",
    }


def test_a_wheel_holds_every_file_that_runs(built: Built) -> None:
    asked = ["git", "-C", str(ROOT), "ls-files", *FOLDERS]
    listed = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    wrapper = {name.removeprefix(WRAPPER) for name in listed if name.startswith(WRAPPER)}
    others = {f"hubbub/app/{name}" for name in listed if not name.startswith(WRAPPER)}
    left_out = {f"hubbub/app/{name}" for name in LEFT_OUT}
    held = names(built.wheel)
    assert wrapper == {f"hubbub/{name}.py" for name in ("__init__", "__main__", "testing")}
    assert (wrapper | others) - held == left_out
    assert [name for name in held if name.startswith(f"hubbub/app/{WRAPPER}")] == []


def test_the_source_archive_builds_the_same_wheel(built: Built, tmp_path: Path) -> None:
    with tarfile.open(built.archive) as file:
        file.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    again = build("wheel", source, tmp_path / "wheel")
    assert again.name == built.wheel.name
    with ZipFile(again) as one, ZipFile(built.wheel) as other:
        assert {each.filename: each.CRC for each in one.infolist()} == {
            each.filename: each.CRC for each in other.infolist()
        }
