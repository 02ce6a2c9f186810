"""All data of one account in a ZIP file that people and programs can read.

A file of JSON lines for each table, and each attachment as it was uploaded. What Hubbub encrypts
for the account is decrypted. Secrets, such as tokens and credentials of other servers, stay out.
"""

import base64
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias
from zipfile import ZIP_DEFLATED, ZipFile

import orjson

from bot.agents import checkpoints
from bot.contexts import encryption
from bot.files import chunks
from bot.identity.keyring import Broken, Keys
from bot.plugins import uses, values
from bot.settings import WrongSettings
from store.backup.snapshot import Snapshot, open_snapshot
from store.tables import TABLES
from store.tables.columns import Table

Row: TypeAlias = dict[str, Any]
# Tokens and codes: even hashed, nobody needs them elsewhere.
LEFT_OUT = frozenset({"credentials", "requests"})
CHUNKS = "blob_chunks"
# A column with what a process encrypted.
SEALED = "sealed"


def _context(keys: Keys, row: Row) -> Any:
    about = encryption.associated_data(row["installation_id"], row["context_id"], row["version"])
    _, content = encryption.unseal(keys, about, row)  # type: ignore[arg-type]
    return orjson.loads(content)


def _checkpoint(keys: Keys, row: Row) -> Any:
    about = checkpoints.sealed_for(row["installation_id"], row["agent_id"], row["task_id"])
    return orjson.loads(keys.open_with_id(checkpoints.PURPOSE, about, row[SEALED]))


def _plugin_value(keys: Keys, row: Row) -> Any:
    return values.unseal(keys, row)  # type: ignore[arg-type]


Opener: TypeAlias = Callable[[Keys, Row], Any]
OPENERS: Mapping[str, Opener] = {
    "context_versions": _context,
    "checkpoints": _checkpoint,
    "plugin_values": _plugin_value,
}


def _openers(snapshot: Snapshot) -> Mapping[str, Opener]:
    """Of each table with something encrypted, who reads a row of it."""
    table = TABLES["plugins"]
    rows = [row for each in snapshot.batches(table, "installation_id = 0") for row in each]
    plugins = {row["name"]: row for row in (dict(zip(table.names, e, strict=True)) for e in rows)}

    def settings(keys: Keys, row: Row) -> Any:
        found = plugins.get(row["plugin"])
        return uses.visible_settings(keys, row, found) if found else {}  # type: ignore[arg-type]

    return {**OPENERS, "plugin_installations": settings}


def write(url: str, keys: Keys, installation_id: int, path: Path) -> dict[str, int]:
    """Write the file, whole or not at all. Return how many rows each table has in it."""
    if path.exists():
        raise WrongSettings(f"{path} exists already. Name another file.")
    unfinished = path.with_name(f"{path.name}.part")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file, ZipFile(file, "w", ZIP_DEFLATED) as archive:
            with open_snapshot(url) as snapshot:
                counts = _write_tables(archive, snapshot, keys, installation_id)
            archive.writestr("tables.json", orjson.dumps(counts, option=orjson.OPT_INDENT_2))
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    unfinished.replace(path)
    return counts


def _write_tables(
    archive: ZipFile, snapshot: Snapshot, keys: Keys, installation_id: int
) -> dict[str, int]:
    counts, openers = {}, _openers(snapshot)
    for table in TABLES.values():
        if "installation_id" not in table.names or table.name in LEFT_OUT:
            continue
        rows = _rows(snapshot, table, installation_id)
        if table.name == CHUNKS:
            unfinished = {row["id"] for row in _rows(snapshot, TABLES["uploads"], installation_id)}
            rows = (row for row in rows if row["blob_id"] not in unfinished)
            counts["files"] = _write_files(archive, keys, rows)
        elif n := _write_lines(archive, keys, (table.name, openers.get(table.name)), rows):
            counts[table.name] = n
    return counts


def _rows(snapshot: Snapshot, table: Table, installation_id: int) -> Iterator[Row]:
    for batch in snapshot.batches(table, f"installation_id = {int(installation_id)}"):
        for row in batch:
            yield dict(zip(table.names, row, strict=True))


def _write_lines(
    archive: ZipFile, keys: Keys, named: tuple[str, Opener | None], rows: Iterator[Row]
) -> int:
    table, opener = named
    first = next(rows, None)
    if first is None:
        return 0
    n = 0
    with archive.open(f"{table}.jsonl", "w", force_zip64=True) as file:
        # One after the other: a table may be larger than the memory.
        for row in chain([first], rows):
            file.write(orjson.dumps(readable(keys, opener, row), option=orjson.OPT_APPEND_NEWLINE))
            n += 1
    return n


def readable(keys: Keys, opener: Opener | None, row: Row) -> Row:
    """The row as JSON: decrypted, or without what must stay secret."""
    shown = {name: each for name, each in row.items() if name not in (SEALED, "key_id")}
    if opener is not None:
        try:
            shown["content"] = opener(keys, row)
        except (Broken, ValueError) as exc:
            shown["broken"] = str(exc)
    return {name: _value(each) for name, each in shown.items()}


def _value(value: Any) -> Any:
    """Compressed JSON as JSON, other bytes as base64."""
    if not isinstance(value, bytes):
        return value
    try:
        return orjson.loads(zlib.decompress(value))
    except (zlib.error, ValueError):
        return base64.b64encode(value).decode()


def _write_files(archive: ZipFile, keys: Keys, rows: Iterator[Row]) -> int:
    """Each file from its parts, which come in order. Negative parts are extracted text.

    Beside one that cannot be decrypted, `.broken` says why, and the others are written.
    """
    n = 0
    for blob_id, parts in groupby(rows, key=itemgetter("blob_id")):
        try:
            with archive.open(f"files/{blob_id}", "w", force_zip64=True) as file:
                for row in parts:
                    if row["part"] >= 0:
                        file.write(chunks.unseal(keys, row))  # type: ignore[arg-type]
            n += 1
        except Broken as exc:
            archive.writestr(f"files/{blob_id}.broken", str(exc))
    return n
