"""One SQL text for two engines; all differences between them are here."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

# "mariadb" is every server that lacks MySQL's name for the new row of an upsert.
Dialect = Literal["sqlite", "mysql", "mariadb"]

# A string, a quoted name or a comment; a named parameter; a percent sign.
TOKEN = re.compile(
    r"""('(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|--[^\n]*|/\*.*?\*/)"""
    r"""|(?<![:\w]):([a-z_][a-z0-9_]*)|(%)""",
    re.DOTALL,
)


@lru_cache(2048)
def for_mysql(sql: str) -> str:
    """`:name` becomes `%(name)s`, except in strings, names and comments; `%` is doubled."""

    def one(found: re.Match[str]) -> str:
        if found[1] is not None:
            if "\\" in found[1]:
                raise ValueError("no backslash in SQL text: the engines read it differently")
            return found[1].replace("%", "%%")
        return "%%" if found[3] else f"%({found[2]})s"

    return TOKEN.sub(one, sql)


@lru_cache(2048)
def for_sqlite(sql: str) -> str:
    """SQLite's BEGIN IMMEDIATE holds everything already, so `FOR UPDATE` goes."""
    return re.sub(r"\s+FOR UPDATE(\s+SKIP LOCKED)?\s*$", "", sql)


@lru_cache(2048)
def _expand(sql: str, sizes: tuple[tuple[str, int], ...]) -> str:
    lengths = dict(sizes)

    def one(found: re.Match[str]) -> str:
        name = found[2]
        if name not in lengths:
            return found[0]
        # An empty list matches nothing, and `IN ()` is no SQL.
        return "(" + (",".join(f":{name}_{i}" for i in range(lengths[name])) or "NULL") + ")"

    return TOKEN.sub(one, sql)


# A tuple of types is tested in half the time of `list | tuple`.
LISTS = (list, tuple)


def spread_lists(sql: str, params: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """`IN :ids` with a list becomes `IN (:ids_0,:ids_1)`."""
    lists = {k: v for k, v in params.items() if isinstance(v, LISTS)}
    if not lists:
        return sql, params
    flat = {f"{k}_{i}": item for k, v in lists.items() for i, item in enumerate(v)}
    rest = {k: v for k, v in params.items() if k not in lists}
    return _expand(sql, tuple((k, len(v)) for k, v in lists.items())), flat | rest


@lru_cache(512)
def insert(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join(f":{c}" for c in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"


@lru_cache(512)
def delete_some(dialect: Dialect, table: str, where: str) -> str:
    """Delete at most `:n` rows, so that nobody waits long for the locks."""
    if dialect == "sqlite":
        some = f"SELECT rowid FROM {table} WHERE {where} LIMIT :n"
        return f"DELETE FROM {table} WHERE rowid IN ({some})"
    return f"DELETE FROM {table} WHERE {where} LIMIT :n"


@lru_cache(512)
def by_index(dialect: Dialect, table: str, index: str) -> str:
    """A table of FROM or UPDATE, with its alias if it has one, that is read by this index only.

    Without it an engine guesses, and SQLite has no statistics to guess by. A wrong guess reads all
    rows of an installation. PRIMARY is the primary key.
    """
    if dialect != "sqlite":
        return f"{table} FORCE INDEX ({index})"
    name, *_ = table.split()
    return f"{table} INDEXED BY {f'sqlite_autoindex_{name}_1' if index == 'PRIMARY' else index}"


# Joins two tables in the order in which they are written.
IN_ORDER: dict[Dialect, str] = {
    "sqlite": "CROSS JOIN",
    "mysql": "STRAIGHT_JOIN",
    "mariadb": "STRAIGHT_JOIN",
}


@lru_cache(512)
def insert_new(
    dialect: Dialect,
    table: str,
    columns: Sequence[str],
    key: Sequence[str],
    counter: str | None = None,
) -> str:
    """Insert, or leave the row that has this key as it is.

    INSERT IGNORE would also swallow values that do not fit, so it is not used.

    MySQL counts one row also if the row was there. With a `counter`, a column with a number that
    may grow, it counts two then, so that one means on every engine that the row is new.
    """
    if dialect == "sqlite":
        return f"{insert(table, columns)} ON CONFLICT ({', '.join(key)}) DO NOTHING"
    column, more = (counter, " + 1") if counter else (_column_to_keep(key, columns), "")
    return f"{insert(table, columns)} ON DUPLICATE KEY UPDATE {column} = {table}.{column}{more}"


def _column_to_keep(*groups: Sequence[str]) -> str:
    """A column to assign to itself. Vitess refuses an assignment to the one by which it shards."""
    return next(name for group in groups for name in group if name != "installation_id")


# A column of the row that an upsert would insert, and the name for that row, if it needs one.
# MySQL deprecates VALUES() and counts a warning for each statement that uses it. The driver then
# asks for the warning's text, which costs a second round trip. MariaDB has only VALUES().
NEW_ROW: dict[Dialect, tuple[str, str]] = {
    "mysql": ("new.{}", " AS new "),
    "mariadb": ("VALUES({})", " "),
}


@lru_cache(512)
def insert_or_renew(
    dialect: Dialect,
    table: str,
    columns: Sequence[str],
    key: Sequence[str],
    renewed: Sequence[str],
    old: tuple[str, str],
) -> str:
    """Insert, or renew some columns of the row that has this key, if it has an `old` value.

    `old`: the column that decides, which is renewed too, and its value.
    """
    decides, value = old
    rest = [column for column in renewed if column != decides]
    is_old = f"{table}.{decides} = '{value}'"
    if dialect == "sqlite":
        sets = ", ".join(f"{column} = excluded.{column}" for column in (*rest, decides))
        conflict = f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {sets} WHERE {is_old}"
        return f"{insert(table, columns)} {conflict}"
    new, alias = NEW_ROW[dialect]
    # Both engines assign from left to right, so the column that decides comes last.
    sets = ", ".join(
        f"{column} = IF({is_old}, {new.format(column)}, {table}.{column})"
        for column in (*rest, decides)
    )
    return f"{insert(table, columns)}{alias}ON DUPLICATE KEY UPDATE {sets}"


@lru_cache(512)
def upsert(
    dialect: Dialect,
    table: str,
    columns: Sequence[str],
    key: Sequence[str],
    guard: str | None = None,
    kept: Sequence[str] = (),
) -> str:
    """Insert or replace. With a guard, only a row of greater guard replaces.

    `kept`: columns that a row which is there keeps.
    """
    rest = [c for c in columns if c not in (*key, *kept) and c != guard]
    if dialect == "sqlite":
        sets = ", ".join(f"{c} = excluded.{c}" for c in [*rest, *([guard] if guard else [])])
        where = f" WHERE excluded.{guard} > {table}.{guard}" if guard else ""
        conflict = f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {sets}{where}"
        return f"{insert(table, columns)} {conflict}"
    new, alias = NEW_ROW[dialect]
    values = {c: new.format(c) for c in rest}
    if guard:
        # Both engines assign from left to right, so the guard comes last.
        newer = f"{new.format(guard)} > {table}.{guard}"
        values = {c: f"IF({newer}, {value}, {table}.{c})" for c, value in values.items()}
        values[guard] = f"GREATEST({new.format(guard)}, {table}.{guard})"
    update = ", ".join(f"{c} = {value}" for c, value in values.items())
    return f"{insert(table, columns)}{alias}ON DUPLICATE KEY UPDATE {update}"


# The text before the values of an INSERT, the values, the rest.
VALUES = re.compile(r"(.*? VALUES )(\([^()]*\))(.*)", re.DOTALL)


@lru_cache(512)
def of_many_rows(sql: str) -> tuple[str, str, str]:
    """Split an INSERT of one row: the text before the row, the row's parameters, the rest."""
    found = VALUES.fullmatch(sql)
    if found is None:
        raise ValueError(f"many rows need INSERT … VALUES (:a, :b) …, not {sql}")
    before, row, rest = found.groups()
    return for_mysql(before) % {}, row, for_mysql(rest) % {}
