"""The index of a registry: what is signed, and what is refused in it."""

import json
from pathlib import Path
from typing import Any

import pytest

from bot.plugins import signatures
from bot.plugins.package import WrongPackage
from bot.plugins.registry import index
from bot.times import SECOND
from tests.support.plugin_packages import package
from tests.support.plugin_registry import LONG_AGO, RegistryFolder

SHA = "a" * 64
VERSION: dict[str, Any] = {
    "version": "1.0.0",
    "archive": "echo-1.0.0.hubbub-plugin",
    "sha256": SHA,
    "digest": SHA,
    "size": 100,
    "hubbub": ">=0.1",
    "kind": "python",
}
PLUGIN: dict[str, Any] = {
    "name": "echo",
    "summary": "Says it again",
    "publisher": "example",
    "versions": [VERSION],
}
INDEX: dict[str, Any] = {
    "format": 1,
    "number": 3,
    "issued_at": LONG_AGO,
    "expires_at": LONG_AGO + 1000,
    "plugins": [PLUGIN],
}


def content(**changed: Any) -> bytes:
    return json.dumps(INDEX | changed).encode()


def with_version(**changed: Any) -> bytes:
    return content(plugins=[PLUGIN | {"versions": [VERSION | changed]}])


def named(*names: str) -> bytes:
    return content(plugins=[PLUGIN | {"name": each} for each in names])


def test_an_index_is_built_from_a_folder_of_packages(tmp_path: Path) -> None:
    folder, publisher = RegistryFolder(tmp_path), signatures.new_key()
    folder.put(package(version="1.2.0"), publisher)
    folder.put(package(version="1.10.0", permissions="{role: tester}"), publisher)
    folder.put(package("other"))
    tmp_path.joinpath("revoked.txt").write_text("echo@1.2.0 it leaks\n")
    about = {"issues": {"echo": 4}, "disclosure": "Write to security@example.com."}
    tmp_path.joinpath("registry.json").write_text(json.dumps(about))
    made = folder.build()
    data, signature = (tmp_path.joinpath(each).read_bytes() for each in FILES)
    assert index.read(data, signature, folder.public) == made
    echo, other = made.plugins
    assert (echo.issue, echo.key) == (4, signatures.public_key(publisher))
    assert (other.issue, other.key) == (None, None)
    assert [(e.version, e.revoked) for e in echo.versions] == [
        ("1.2.0", "it leaks"),
        ("1.10.0", None),
    ]
    assert echo.versions[1].permissions.role == "tester"
    newest = echo.newest("0.1.0")
    assert newest is not None
    assert newest.version == "1.10.0"
    assert (made.revoked, made.number) == ({"echo@1.2.0": "it leaks"}, 1)
    assert folder.build().number == 2


FILES = (index.INDEX, index.SIGNATURE)


def test_a_wrong_signature_is_refused() -> None:
    key, other = signatures.new_key(), signatures.new_key()
    signed, data = index.sign(content(), key), content()
    assert index.read(data, signed, signatures.public_key(key)).number == 3
    for given, signature, public in (
        (data, signed, other),
        (data + b" ", signed, key),
        (data, b"", key),
        (data, b"\xff", key),
        (data, signatures.signature_of(data, key).encode(), key),
    ):
        with pytest.raises(WrongPackage, match=r"index\.sig does not fit"):
            index.read(given, signature, signatures.public_key(public))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (content(format=2), "format"),
        (content(more=1), "more: is unknown"),
        (named("\u0435cho"), "must have at most 28 lower-case letters"),
        (named("Echo"), "must have at most 28 lower-case letters"),
        (named("echo", "echo"), "looks like echo"),
        (named("flow-lint", "f1owlint"), "f1owlint looks like flow-lint"),
        (named("modern", "modem"), "modem looks like modern"),
        (with_version(archive="../outside"), "must be a path|leads outside"),
        (with_version(archive="a/../../outside"), "leads outside of the registry"),
        (with_version(archive="/etc/passwd"), "must be a path in the registry"),
        (with_version(archive=None), "must have `archive` or `url`"),
        (with_version(archive=None, url="http://example.com/x"), "must begin with https://"),
        (with_version(archive=None, url="file:///etc/passwd"), "must begin with https://"),
        (with_version(size=2**40), "size"),
        (with_version(permissions={"role": "god"}), "permissions.role"),
        (content(plugins=[PLUGIN | {"versions": [VERSION, VERSION]}]), "has a version twice"),
        (content(plugins=[PLUGIN] * 600), "at most 500 entries"),
    ],
)
def test_a_malformed_index_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(WrongPackage, match=why):
        index.parse(data)


def test_a_huge_index_is_refused_before_it_is_read() -> None:
    with pytest.raises(WrongPackage, match="the limit is 1048576"):
        index.read(b" " * (index.LARGEST + 1), b"", "")


@pytest.mark.parametrize(
    ("number", "digest", "now", "why"),
    [
        (2, "b", LONG_AGO, "was read before: somebody shows an old index"),
        (3, "b", LONG_AGO, "changed without a new number"),
        (4, "b", LONG_AGO + 1001, "has expired"),
        (4, "b", LONG_AGO - 7200, "is from the future"),
    ],
)
def test_an_old_index_is_refused(number: int, digest: str, now: int, why: str) -> None:
    found = index.parse(content(number=number))
    with pytest.raises(WrongPackage, match=why):
        index.check_age(found, 3, digest, "a", now * SECOND)


def test_a_newer_index_and_the_same_one_are_accepted() -> None:
    for number, digest in ((3, "a"), (4, "b")):
        found = index.parse(content(number=number))
        index.check_age(found, 3, digest, "a", LONG_AGO * SECOND)
