"""Files of others that stand in this repository: each with its licence, version and checksum."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {
    # What the page loads in a browser.
    "webhooks/page/static/vendor": {"0BSD", "Apache-2.0", "MIT"},
    # What only tests load: it is not in the wheel.
    "tests/support/vendor": {"MPL-2.0"},
}


def listed(folder: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((ROOT / folder / "vendored.json").read_text())
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_vendored_file_is_what_its_package_published(folder: str) -> None:
    for each in listed(folder):
        place = ROOT / folder / each["folder"]
        found = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in place.iterdir()
        }
        assert found == each["sha256"], f"{each['package']} {each['version']}: take it by npm pack"
        assert "LICENSE" in found


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_is_vendored_without_a_line_in_the_list(folder: str) -> None:
    beside = {path.name for path in (ROOT / folder).iterdir()}
    assert beside == {each["folder"] for each in listed(folder)} | {"vendored.json"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_licences_of_vendored_files_are_those_we_chose(folder: str) -> None:
    assert {each["licence"] for each in listed(folder)} == FOLDERS[folder]
