"""Whether what a backup has fits its schema: looked at before the database is changed.

The schema is built in a SQLite file that is deleted afterwards, because a backup may be of an older
one than that of `store.tables`.
"""

import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bot.backup.content import Shape
from bot.backup.frames import BadBackup

# Tables that a backup never fills: other programs' records, and what each engine builds.
NOT_FILLED = frozenset({"alembic_version", "migration_lock", "search_words", "senders"})
INTEGERS, BYTES = ("INTEGER", "BIGINT"), "BLOB"


@dataclass(frozen=True)
class StoredColumn:
    """`needed`: it may not be NULL and has no default."""

    type: type
    nullable: bool
    needed: bool


def check_fit(shapes: Mapping[str, Shape], revision: str) -> None:
    """Blocks. Raise BadBackup."""
    with tempfile.TemporaryDirectory(prefix="hubbub-schema-") as folder:
        path = Path(folder) / "schema.db"
        _migrate(f"sqlite:///{path}", revision)
        with closing(sqlite3.connect(path)) as connection:
            for name, shape in shapes.items():
                _check_table(name, shape, _columns_of(connection, name))


def _migrate(url: str, revision: str) -> None:
    from store.engine import migrate  # noqa: PLC0415 - loads SQLAlchemy and Alembic

    migrate.upgrade(url, revision)


def _columns_of(connection: sqlite3.Connection, table: str) -> dict[str, StoredColumn]:
    """No column if a backup may not fill the table, or it does not exist."""
    if table in NOT_FILLED or table.startswith("sqlite"):
        return {}
    q = 'SELECT name, type, "notnull", dflt_value FROM pragma_table_info(?)'
    return {
        name: StoredColumn(_type_of(kind), not notnull, bool(notnull) and default is None)
        for name, kind, notnull, default in connection.execute(q, (table,))
    }


def _type_of(declared: str) -> type:
    kind = declared.partition("(")[0]
    return int if kind in INTEGERS else bytes if kind == BYTES else str


def _check_table(name: str, shape: Shape, columns: dict[str, StoredColumn]) -> None:
    missing = {each for each, column in columns.items() if column.needed} - set(shape.columns)
    if not columns or missing or not set(shape.columns) <= columns.keys():
        raise BadBackup(f"its table {name} is not one of its schema")
    for each, types in zip(shape.columns, shape.types, strict=True):
        column = columns[each]
        fitting = {column.type, type(None)} if column.nullable else {column.type}
        if not types <= fitting:
            raise BadBackup(f"its table {name} has values in {each} that do not fit there")
