"""The tables as SQLAlchemy Core knows them: what the migrations are held equal to."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from store.tables import TABLES
from store.tables.columns import KEY, SMALL, TERMS, Column, Default, Index, Table, Text

MYSQL = ("mysql", "mariadb")
LONG = sa.Text().with_variant(mysql.LONGTEXT(), *MYSQL)
ASCII = sa.Text().with_variant(mysql.LONGTEXT(charset="ascii", collation="ascii_bin"), *MYSQL)
BLOB = sa.LargeBinary().with_variant(mysql.LONGBLOB(), *MYSQL)


def _type(column: Column) -> sa.types.TypeEngine[Any]:
    for mark in column.marks:
        if isinstance(mark, Text):
            return sa.String(mark.length)
    if column.type is int:
        return sa.Integer() if SMALL in column.marks else sa.BigInteger()
    if column.type is bytes:
        return BLOB
    return ASCII if TERMS in column.marks else LONG


def _column(column: Column) -> sa.Column[Any]:
    defaults = [mark.sql for mark in column.marks if isinstance(mark, Default)]
    return sa.Column(
        column.name,
        _type(column),
        primary_key=KEY in column.marks,
        autoincrement=False,
        nullable=column.nullable,
        server_default=sa.text(defaults[0]) if defaults else None,
    )


def _index(index: Index) -> sa.schema.SchemaItem:
    prefix = "FULLTEXT" if index.fulltext else None
    made = sa.Index(index.name, *index.columns, unique=index.unique, mysql_prefix=prefix)
    return made.ddl_if(dialect=index.only) if index.only else made


def _tables(tables: dict[str, Table]) -> sa.MetaData:
    made = sa.MetaData()
    for table in tables.values():
        columns = [_column(column) for column in table.columns]
        sa.Table(table.name, made, *columns, *map(_index, table.indexes))
    return made


metadata = _tables(TABLES)

# The full-text search of SQLite follows the table by triggers.
FORGET_WORDS = (
    "INSERT INTO search_words (search_words, rowid, terms) VALUES ('delete', old.doc, old.terms); "
)
LEARN_WORDS = "INSERT INTO search_words (rowid, terms) VALUES (new.doc, new.terms); "
SEARCH_ON_SQLITE = (
    (
        "CREATE VIRTUAL TABLE search_words USING fts5 (terms, content='search_texts', "
        "content_rowid='doc', tokenize=\"ascii tokenchars '_'\", detail='none', columnsize=0)"
    ),
    (f"CREATE TRIGGER search_texts_added AFTER INSERT ON search_texts BEGIN {LEARN_WORDS}END"),
    (
        "CREATE TRIGGER search_texts_changed AFTER UPDATE OF terms ON search_texts "
        f"BEGIN {FORGET_WORDS}{LEARN_WORDS}END"
    ),
    (f"CREATE TRIGGER search_texts_dropped AFTER DELETE ON search_texts BEGIN {FORGET_WORDS}END"),
)
for statement in SEARCH_ON_SQLITE:
    on_sqlite = sa.DDL(statement).execute_if(dialect="sqlite")  # type: ignore[no-untyped-call]
    sa.event.listen(metadata.tables["search_texts"], "after_create", on_sqlite)
