"""Files that somebody made by hand. Each is refused before the database is changed.

The engine plays no part in this.
"""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from bot.backup import archive
from bot.backup.archive import ArchiveWriter, Header
from bot.backup.verification import UnusableBackup, verify_backup
from store.engine import schema_version

NOW = 1_700_000_000_000_000
FACTS: tuple[str, list[str], list[str]] = ("facts", ["name", "value"], [])
HEADS: tuple[str, list[str], list[str]] = ("heads", ["installation_id", "seq"], [])
SCRYPT = {"cipher": "AES-256-GCM", "n": 1 << 15, "r": 8, "p": 1, "salt": "AAAA"}
PREFIX = base64.b64encode(b"7 bytes").decode()


def line(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def made_by_hand(
    path: Path, *tables: tuple[str, list[str], list[str], Sequence[Any]], **given: Any
) -> Path:
    """A file whose hashes and counts are right. `given`: values of its header and manifest."""
    about = {"created_at": NOW, "revision": schema_version.newest(), "key_id": "12345678"}
    about |= {name: value for name, value in given.items() if name in about}
    header = Header(**about, hubbub="1", encryption=given.get("encryption"))  # type: ignore[arg-type]
    sums = {}
    with path.open("wb") as file:
        writer = ArchiveWriter(file, header, None)
        for name, columns, blobs, rows in tables:
            lines = b"".join(map(line, rows))
            total = {"rows": len(rows), "sha256": hashlib.sha256(lines).hexdigest()}
            sums[name] = total
            begin = line({"table": name, "columns": columns, "blobs": blobs})
            writer.write(begin + lines + line({"end": name} | total))
        more = {"code": given.get("code", False), "heads": given.get("heads", {})}
        writer.write(given.get("raw", b"") + line({"manifest": about | more | {"tables": sums}}))
        writer.end()
    return path


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (("nothing_here", ["a"], [], [[1]]), "nothing_here is not one of its schema"),
        (("sqlite_master", ["type", "name"], [], [["table", "x"]]), "is not one of its schema"),
        (("senders", ["installation_id"], [], [[1]]), "senders is not one of its schema"),
        (("agents", ["installation_id", "evil"], [], [[1, 2]]), "agents is not one of its schema"),
        (("facts", ["value"], [], [["x"]]), "facts is not one of its schema"),
        (("facts; DROP TABLE agents", ["name"], [], []), "whose name is not one of Hubbub"),
        (("facts", ["name", "name"], [], []), "does not name its columns"),
        ((*FACTS, [["x", {"a": 1}]]), "has values in value that do not fit"),
        ((*FACTS, [[["x"], "y"]]), "has values in name that do not fit"),
        ((*FACTS, [["x", None]]), "has values in value that do not fit"),
        (("facts", ["name", "value"], ["value"], [["x", "AAAA"]]), "has values in value that do"),
        ((*HEADS, [[1, 2], [1, "x; DROP TABLE agents"]]), "has values in seq that do not fit"),
        ((*HEADS, [[1, 2.5]]), "has values in seq that do not fit"),
        ((*HEADS, [[True, 2]]), "has values in installation_id that do not fit"),
    ],
)
def test_a_table_that_does_not_fit_its_schema_is_refused(
    tmp_path: Path, table: tuple[str, list[str], list[str], Sequence[Any]], why: str
) -> None:
    with pytest.raises(UnusableBackup, match=why):
        verify_backup(made_by_hand(tmp_path / "hostile.backup", table), None)


@pytest.mark.parametrize(
    "given",
    [
        {"revision": 5},
        {"created_at": 10**19},
        {"created_at": -1},
        {"created_at": True},
        {"key_id": [1]},
        {"code": "yes"},
        {"heads": [1]},
        {"heads": {"1": "x"}},
    ],
)
def test_a_manifest_with_wrong_types_is_refused(tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(UnusableBackup, match="its manifest cannot be read"):
        verify_backup(made_by_hand(tmp_path / "hostile.backup", **given), None)


@pytest.mark.parametrize(
    ("scrypt", "why"),
    [
        ({"n": 1 << 20, "prefix": PREFIX}, "asks for an encryption that Hubbub does not have"),
        ({"n": float("inf"), "prefix": PREFIX}, "does not say how it is encrypted"),
        ({"n": -1, "prefix": PREFIX}, "does not say how it is encrypted"),
        ({"prefix": 7}, "does not say how it is encrypted"),
    ],
)
def test_a_header_cannot_ask_for_much_memory(
    tmp_path: Path, scrypt: dict[str, Any], why: str
) -> None:
    path = made_by_hand(tmp_path / "hostile.backup", encryption=SCRYPT | scrypt)
    with pytest.raises(UnusableBackup, match=why):
        verify_backup(path, b"a passphrase of some length")


def test_a_table_that_comes_twice_and_a_line_without_end_are_refused(tmp_path: Path) -> None:
    tables = ((*HEADS, [[1, 1]]), (*HEADS, [[2, 2]]))
    with pytest.raises(UnusableBackup, match="it has the table heads twice"):
        verify_backup(made_by_hand(tmp_path / "twice.backup", *tables), None)
    long = b'{"table": "' + b"a" * (17 * 1024**2) + b'"}\n'
    with pytest.raises(UnusableBackup, match="a line is longer than Hubbub writes one"):
        verify_backup(made_by_hand(tmp_path / "long.backup", raw=long), None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "LONGEST_LINE", 1024)
        path = made_by_hand(tmp_path / "endless.backup", raw=b"[" * 4 * 1024**2)
        with pytest.raises(UnusableBackup, match="a line is longer than Hubbub writes one"):
            verify_backup(path, None)
