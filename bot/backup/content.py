"""The lines of a backup: for each table its columns, its rows, their number and hash.

{"table": "agents", "columns": ["installation_id", …], "blobs": []}
[7, "ada", …]
{"end": "agents", "rows": 1, "sha256": "…"}
…
{"manifest": {…}}
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from bot.backup.frames import BadBackup
from store.backup.contents import in_backup
from store.backup.snapshot import Snapshot, Values
from store.tables.columns import Table

# The year 9999, in microseconds.
LATEST = 253_402_300_799 * 1_000_000
# A line that is not a row: a manifest has a number for each installation.
LONGEST_OBJECT = 16 * 1024**2
# How many combinations of types of a row are remembered.
MOST_KINDS = 1000
NAME = re.compile(r"[a-z][a-z_]{0,59}")


@dataclass(frozen=True)
class Sum:
    """How many rows a table has in the backup, and the SHA-256 of their lines."""

    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """`heads`: the last number of each installation."""

    created_at: int
    revision: str
    key_id: str
    code: bool
    tables: dict[str, Sum] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise TypeError or ValueError: anybody may have written the file."""
        numbers = [self.created_at, *self.heads.values()]
        texts = [self.revision, self.key_id, *self.tables]
        if not all(type(each) is int for each in numbers) or type(self.code) is not bool:
            raise TypeError
        if not all(isinstance(each, str) for each in texts):
            raise TypeError
        if not 0 <= self.created_at <= LATEST:
            raise ValueError

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.tables.values())

    @property
    def identity(self) -> str:
        """The same for the same backup only."""
        return hashlib.sha256(orjson.dumps(asdict(self))).hexdigest()


@dataclass(frozen=True)
class Begin:
    """A table begins. `blobs`: the columns whose values are bytes, in base64."""

    table: str
    columns: tuple[str, ...]
    blobs: tuple[str, ...]


@dataclass
class Shape:
    """What the rows of a table look like: for each column the types of its values."""

    columns: tuple[str, ...]
    blobs: tuple[str, ...]
    types: list[set[type]] = field(init=False)
    _seen: set[tuple[type, ...]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.types = [set() for _ in self.columns]

    def add(self, row: Sequence[Any]) -> None:
        kinds = tuple(map(type, row))
        if kinds in self._seen:
            return
        if len(self._seen) < MOST_KINDS:
            self._seen.add(kinds)
        for known, kind in zip(self.types, kinds, strict=True):
            known.add(kind)


@dataclass(frozen=True)
class Rows:
    """Rows of the table that began last, as they were inserted."""

    rows: list[list[Any]]


# --- Writing -------------------------------------------------------------------------------------


def dump(snapshot: Snapshot, manifest: Manifest, write: Callable[[bytes], None]) -> None:
    """Write every table, and then the manifest, which is completed on the way."""
    for table, where in in_backup(code=manifest.code):
        manifest.tables[table.name] = _dump_table(snapshot, table, where, write)
    write(_line({"manifest": asdict(manifest)}))


def _dump_table(
    snapshot: Snapshot, table: Table, where: str, write: Callable[[bytes], None]
) -> Sum:
    blobs = [each.name for each in table.columns if each.type is bytes]
    write(_line({"table": table.name, "columns": table.names, "blobs": blobs}))
    places = [table.names.index(each) for each in blobs]
    digest, count = hashlib.sha256(), 0
    for batch in snapshot.batches(table, where):
        lines = b"".join(_line(_without_bytes(row, places)) for row in batch)
        digest.update(lines)
        count += len(batch)
        write(lines)
    total = Sum(count, digest.hexdigest())
    write(_line({"end": table.name} | asdict(total)))
    return total


def _without_bytes(row: Values, places: Sequence[int]) -> Sequence[Any]:
    if not places:
        return row
    values = list(row)
    for each in places:
        if values[each] is not None:
            values[each] = base64.b64encode(values[each]).decode()
    return values


def _line(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


# --- Reading -------------------------------------------------------------------------------------

# How many rows are handed on together, and how many bytes of lines.
BATCH, MOST_BYTES = 500, 1_000_000


class Reader:
    """Reads the lines and checks them against the hashes. `manifest` is there after the end."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._sums: dict[str, Sum] = {}
        self.shapes: dict[str, Shape] = {}
        self.manifest: Manifest | None = None

    def parts(self) -> Iterator[Begin | Rows]:
        """The tables and their rows. Raise BadBackup, at the latest at the end."""
        for line in self._lines:
            if self.manifest is not None:
                raise BadBackup("something follows its manifest")
            found = _value(line)
            if not isinstance(found, dict):
                raise BadBackup("a row belongs to no table")
            if "manifest" in found:
                self.manifest = _manifest(found["manifest"])
                self._compare(self.manifest)
            else:
                begun = _begin(found)
                if begun.table in self.shapes:
                    raise BadBackup(f"it has the table {begun.table} twice")
                self.shapes[begun.table] = Shape(begun.columns, begun.blobs)
                yield begun
                yield from self._rows_of(begun)
        if self.manifest is None:
            raise BadBackup("it has no manifest: the file was cut off")

    def _compare(self, manifest: Manifest) -> None:
        if manifest.tables != self._sums:
            raise BadBackup("its tables are not those of its manifest")

    def _rows_of(self, begun: Begin) -> Iterator[Rows]:
        digest, count = hashlib.sha256(), 0
        batch: list[list[Any]] = []
        size, shape = 0, self.shapes[begun.table]
        for count, line in enumerate(self._lines):
            if line.startswith(b"{"):
                if batch:
                    yield Rows(batch)
                self._sums[begun.table] = _end(begun.table, _value(line), count, digest.hexdigest())
                return
            digest.update(line)
            batch.append(_row(line, begun))
            shape.add(batch[-1])
            size += len(line)
            if len(batch) >= BATCH or size > MOST_BYTES:
                yield Rows(batch)
                batch, size = [], 0
        raise BadBackup(f"the rows of {begun.table} do not end: the file was cut off")


def _value(line: bytes) -> Any:
    if line.startswith(b"{") and len(line) > LONGEST_OBJECT:
        raise BadBackup("a line is longer than Hubbub writes one")
    try:
        return orjson.loads(line)
    except ValueError as exc:
        raise BadBackup("a line is not JSON") from exc


def _begin(found: dict[str, Any]) -> Begin:
    """Raise BadBackup unless the names are names: they become SQL."""
    columns, blobs = found.get("columns"), found.get("blobs")
    if not isinstance(columns, list) or not isinstance(blobs, list) or not columns:
        raise BadBackup("a table does not name its columns")
    names = [found.get("table"), *columns]
    if not all(isinstance(each, str) and NAME.fullmatch(each) for each in names):
        raise BadBackup("it has a table or column whose name is not one of Hubbub")
    if not set(blobs) <= set(columns) or len(set(columns)) < len(columns):
        raise BadBackup("a table does not name its columns")
    return Begin(str(found["table"]), tuple(columns), tuple(blobs))


def _row(line: bytes, begun: Begin) -> list[Any]:
    values = _value(line)
    if not isinstance(values, list) or len(values) != len(begun.columns):
        raise BadBackup(f"a row of {begun.table} does not have its columns")
    for name in begun.blobs:
        place = begun.columns.index(name)
        if values[place] is not None:
            try:
                values[place] = base64.b64decode(values[place], validate=True)
            except (TypeError, ValueError) as exc:
                raise BadBackup(f"a row of {begun.table} has bytes that are not base64") from exc
    return values


def _end(table: str, found: Any, count: int, digest: str) -> Sum:
    counted = Sum(count, digest)
    if not isinstance(found, dict) or found != {"end": table} | asdict(counted):
        raise BadBackup(f"the rows of {table} are not those that were written: the file changed")
    return counted


def _manifest(found: Any) -> Manifest:
    try:
        tables = {name: Sum(**each) for name, each in found["tables"].items()}
        return Manifest(**(found | {"tables": tables}))
    except (TypeError, ValueError, KeyError, AttributeError) as exc:
        raise BadBackup("its manifest cannot be read") from exc
