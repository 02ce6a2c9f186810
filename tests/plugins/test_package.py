"""Packages of plug-ins: packed, unpacked, signed and scanned; what is dangerous is refused."""

import io
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.plugins import package as packages
from bot.plugins import scan_process, scanning, signatures
from bot.plugins.package import CHECKSUMS, Package, WrongPackage, pack, unpack
from bot.plugins.scanning import Advisory
from bot.plugins.signatures import Trust
from tests.support.plugin_packages import ECHO, package

NOBODY = Trust({}, {})


def archive(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for path, data in entries:
            file.writestr(path, data)
    return made.getvalue()


def test_the_same_files_make_the_same_bytes() -> None:
    one, other = package(), package()
    files = dict(reversed(list(other.files.items())))
    assert pack(one) == pack(Package(files))
    assert unpack(pack(one)) == one


def test_a_folder_is_packed_without_what_only_its_author_needs(tmp_path: Path) -> None:
    for path, data in package().files.items():
        (tmp_path / path).write_bytes(data)
    for each in (".git/config", "__pycache__/echo.pyc", "dist/echo-1.0.0.hubbub-plugin", ".env"):
        (tmp_path / each).parent.mkdir(exist_ok=True)
        (tmp_path / each).write_text("secret")
    assert packages.read(tmp_path).digest == package().digest


def test_a_link_in_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "passwords").symlink_to("/etc/passwd")
    with pytest.raises(WrongPackage, match="symbolic link"):
        packages.read(tmp_path)


def link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("a")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry


def bomb() -> bytes:
    return archive(*((f"{n}", bytes(2**18)) for n in range(5)))


def special(kind: int) -> zipfile.ZipInfo:
    """An entry of a kind that no plain file is."""
    made = zipfile.ZipInfo("a")
    made.create_system, made.external_attr = 3, (kind | 0o644) << 16
    return made


# An archive, and a part of why it is refused.
DANGEROUS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a path above": (lambda: archive(("../a", b"")), "'../a' is not allowed"),
    "a path above, inside": (lambda: archive(("a/../../b", b"")), "is not allowed"),
    "an absolute path": (lambda: archive(("/etc/cron.d/a", b"")), "is not allowed"),
    "a path of Windows": (lambda: archive(("c:\\a", b"")), "is not allowed"),
    "a path with a control character": (lambda: archive(("a\nb", b"")), "is not allowed"),
    "a link": (lambda: archive((link(), b"/etc/passwd")), "a link or a device"),
    "a bomb": (bomb, "more than 1 MB"),
    "many files": (lambda: archive(*((f"{n}", b"") for n in range(2001))), "has 2001 files"),
    "two files that differ by case": (lambda: archive(("A", b""), ("a", b"")), "two files 'a'"),
    "two files that differ by how a letter is written": (
        lambda: archive(("caf\u00e9", b""), ("cafe\u0301", b"")),
        "two files",
    ),
    "two files with one name": (
        lambda: archive(("name", b"1"), ("nama", b"2")).replace(b"nama", b"name"),
        "two files 'name'",
    ),
    "a file that is a folder too": (
        lambda: archive(("a/b", b""), ("A", b"")),
        "'A' is both a file and the folder of 'a/b'",
    ),
    "a name that is written from right to left": (
        lambda: archive(("a\u202eyp.exe", b"")),
        "is not allowed",
    ),
    "a device": (lambda: archive((special(stat.S_IFBLK), b"")), "a link or a device"),
    "a pipe": (lambda: archive((special(stat.S_IFIFO), b"")), "a link or a device"),
    "a folder": (lambda: archive(("a/", b"")), "is not allowed"),
    "compiled code beside its source": (
        lambda: archive(("__pycache__/echo.cpython-311.pyc", b"")),
        "compiled Python, which no scan can read",
    ),
    "compiled code alone": (lambda: archive(("echo.PYC", b"")), "compiled Python"),
    "no checksums": (lambda: archive(("a", b"")), f"no file {CHECKSUMS}"),
    "other checksums": (lambda: archive(("a", b""), (CHECKSUMS, b"x")), "was changed"),
    "no archive": (lambda: b"PK\x03\x04 and no more", "or a damaged one"),
    "an archive that was cut": (lambda: pack(package())[:200], "or a damaged one"),
}


@pytest.mark.parametrize("case", DANGEROUS)
def test_a_dangerous_archive_is_refused(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, why = DANGEROUS[case]
    monkeypatch.setattr(packages, "LARGEST", 2**20)
    with pytest.raises(WrongPackage, match=why):
        unpack(make())


@pytest.mark.parametrize(
    ("count", "size", "before", "why"),
    [
        (packages.MOST_FILES + 1, 0, b"", "the limit is"),
        (1, packages.LARGEST_DIRECTORY + 1, b"", "Its directory has"),
        (1, 46, packages.LARGE_MARK + bytes(16), "for large files"),
    ],
    ids=["count", "size", "large form"],
)
def test_a_directory_is_bounded_before_it_is_read(
    count: int, size: int, before: bytes, why: str
) -> None:
    end = packages.END.pack(packages.END_MARK, 0, 0, count, count, size, 0, 0)
    for comment in (b"", b"A comment"):
        with pytest.raises(WrongPackage, match=why):
            unpack(before + end + comment)


def test_a_changed_byte_of_an_archive_is_noticed() -> None:
    data = pack(package(files={"a.txt": b"0123456789abcdef" * 8}))
    for at in range(0, len(data), 7):
        changed = bytearray(data)
        changed[at] ^= 1
        try:
            found = unpack(bytes(changed))
        except WrongPackage:
            continue
        assert found == unpack(data)  # a time or a comment of the zip file


def test_a_package_without_its_entry_is_refused() -> None:
    made = package(kind="wasm", entry="echo.wasm")
    with pytest.raises(WrongPackage, match=r"the package has no file echo\.wasm"):
        _ = made.manifest


# --- Signatures ----------------------------------------------------------------------------------


def test_a_signature_of_a_trusted_publisher_is_right() -> None:
    private = signatures.new_key()
    key = signatures.public_key(private)
    signed = unpack(pack(signatures.sign(package(), private)))
    assert signatures.verify(signed, Trust({"example": frozenset({key})}, {})) == key
    assert signatures.verify(package(), NOBODY) is None


def test_a_signature_by_an_unknown_key_says_how_to_trust_it() -> None:
    signed = signatures.sign(package(), signatures.new_key())
    with pytest.raises(WrongPackage, match="`hubbub plugin trust example "):
        signatures.verify(signed, NOBODY)


def test_a_signature_of_another_package_or_publisher_does_not_count() -> None:
    private = signatures.new_key()
    trust = Trust(
        dict.fromkeys(("example", "other"), frozenset({signatures.public_key(private)})), {}
    )
    signature = signatures.sign(package(), private).signature
    assert signature is not None
    others = (
        package(version="1.0.1"),
        package(publisher="other"),
        package(files={"echo.py": ECHO + b"#"}),
    )
    for each in others:
        with pytest.raises(WrongPackage, match="does not fit its content"):
            signatures.verify(each.with_signature(signature), trust)


@pytest.mark.parametrize(
    "given", [b"", b"{}", b"[]", b'{"key": 1, "signature": 2}', b"[" * 1900, b"\xff", b"x" * 3000]
)
def test_a_broken_signature_is_refused(given: bytes) -> None:
    with pytest.raises(WrongPackage, match="Its signature cannot be read"):
        signatures.verify(package().with_signature(given), NOBODY)


def test_what_is_revoked_is_refused() -> None:
    private = signatures.new_key()
    key = signatures.public_key(private)
    signed = signatures.sign(package(), private)
    for subject in (key, signed.digest, "echo@1.0.0"):
        revoked = signatures.revocations(f"# list\n{subject} stole tokens # 2026\n\n".encode())
        with pytest.raises(WrongPackage, match="is revoked: stole tokens"):
            signatures.verify(signed, Trust({"example": frozenset({key})}, revoked))


def test_a_file_that_is_no_key_signs_nothing() -> None:
    with pytest.raises(WrongPackage, match="The key file holds no key"):
        signatures.sign(package(), "hubbub-plugin-key:abc")


# --- Scans ---------------------------------------------------------------------------------------


def findings(*, kind: str = "python", **files: bytes) -> list[str]:
    named = {name.replace("_", "."): data for name, data in files.items()}
    entry = "z.py" if kind == "process" else "z"
    made = package(files=named | {"z.py": b""}, kind=kind, entry=entry)
    return [each.words for each in scanning.scan(made).findings]


def test_a_scan_names_what_the_code_could_do() -> None:
    source = b"""\
import subprocess
from os import path
from urllib.request import urlopen
import os
os.fork()
def f():
    eval("1")
"""
    assert findings(a_py=source) == [
        "warning: a.py:1: uses subprocess, which starts processes",
        "warning: a.py:3: uses urllib.request, which opens connections past the permissions",
        "warning: a.py:5: uses os.fork, which starts processes",
        "warning: a.py:7: uses eval, which runs text as code",
    ]
    sandboxed = findings(kind="process", a_py=source)
    assert [each.split(":")[0] for each in sandboxed] == ["info"] * 4


def test_a_scan_names_secrets_binaries_and_broken_code() -> None:
    token = "ghp_" + "a1B2c3D4e5F6" * 3
    key = signatures.new_key().encode()
    assert findings(a_txt=f"x\n{token}".encode(), b_so=b"\x7fELF", c_py=b"def", d_key=key) == [
        "danger: a.txt:2: has a GitHub token in it",
        "danger: b.so: is a program or library for Linux, which nobody can read",
        "danger: c.py: is no Python that can be read",
        "danger: d.key:1: is a private key of a publisher",
    ]


def test_a_scan_reads_advisories(tmp_path: Path) -> None:
    file = tmp_path / "advisories.json"
    file.write_text(json.dumps([{"package": "Web_Lib", "affected": "<2.0", "text": "leaks"}]))
    made = package(files={"requirements.txt": b"web-lib==1.9\nweb-lib==2.0\nother>=1\n# x\n"})
    report = scanning.scan(made, scanning.advisories(file))
    assert [each.words for each in report.findings] == [
        "danger: requirements.txt:1: web-lib 1.9: leaks",
        "warning: requirements.txt:3: does not pin a version of other>=1",
    ]
    for wrong in ("{", "[1]", '[{"package": "a", "affected": "all", "text": ""}]'):
        file.write_text(wrong)
        with pytest.raises(WrongPackage, match="advisories"):
            scanning.advisories(file)


def test_a_report_for_people_counts_its_findings() -> None:
    made = package(files={"a.py": b"import socket\n" * 300})
    shown = scanning.lines(scanning.scan(made))
    assert shown[1] == "scan: 200 warning"
    assert shown[-1] == "and 100 more"


def test_what_is_too_large_to_scan_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    large = package(files={"a.py": b"#" * (scanning.LARGEST_SOURCE + 1)})
    with pytest.raises(WrongPackage, match=r"too large to scan: a\.py has 1048577 bytes"):
        scanning.scan(large)
    monkeypatch.setattr(scanning, "MOST_PARSED", 20)
    with pytest.raises(WrongPackage, match="its modules have 25 bytes; the limit is 20"):
        findings(a_py=b"import os\n", b_py=b"import socket\n\n")


async def test_a_scan_in_its_process_makes_the_same_report() -> None:
    known = [Advisory("web-lib", "<2.0", "leaks")]
    made = package(files={"a.py": b"import os\nos.fork()\n", "requirements.txt": b"web-lib==1.9"})
    assert await scan_process.scan(made, known) == scanning.scan(made, known)
    with pytest.raises(WrongPackage, match=r"no file hubbub-plugin\.yml"):
        await scan_process.scan(Package({"a.py": b""}))


async def test_code_that_takes_for_ever_to_read_ends_a_scan() -> None:
    """Python itself needs minutes for such a name. The limit is lower here than it is."""
    made = package(files={"a.py": b"import a" + b".a" * 500_000})
    with pytest.raises(WrongPackage, match="written so that a scan takes too long"):
        await scan_process.scan(made, cpu_s=1)
