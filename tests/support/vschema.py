"""The VSchema and the tables of each keyspace of Vitess, as `docs/deploy/vitess` has them.

`HUBBUB_UPDATE_SNAPSHOTS=1` writes them again from `store.tables`.
"""

import json
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateIndex, CreateTable

from store.tables import TABLES
from store.tables.schema import metadata

FOLDER = Path(__file__).parents[2] / "docs" / "deploy" / "vitess"
SHARDED, GLOBAL = "hubbub", "hubbub_global"
# Tables whose rows belong to no installation, or which each process reads for all installations.
UNSHARDED = frozenset(
    name for name, table in TABLES.items() if "installation_id" not in table.names
) | {"feature_flags", "flag_counts"}
# The tables of a row's shard by another column: its table, its column, and whether one value has
# one row.
LOOKUPS = {
    "credentials_by_id": ("credentials", "id", True),
    "installations_by_account": ("installations", "account_id", False),
}
# The columns by which Vitess finds the shard of a row: the sharding key, and those of a lookup.
KEYS: dict[str, tuple[str, ...]] = {
    name: ("installation_id", *(column for of, column, _ in LOOKUPS.values() if of == name))
    for name in TABLES
    if name not in UNSHARDED
}
# What Alembic makes.
VERSIONS = (
    "CREATE TABLE alembic_version (\n  version_num VARCHAR(32) NOT NULL,\n"
    "  PRIMARY KEY (version_num)\n)"
)
OPTIONS = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin"


def files() -> dict[str, str]:
    return {
        f"{SHARDED}.vschema.json": _json(_sharded()),
        f"{GLOBAL}.vschema.json": _json(_global()),
        f"{SHARDED}.sql": _sql(*(_create(name) for name in sorted(KEYS))),
        f"{GLOBAL}.sql": _sql(
            *(_create(name) for name in sorted(UNSHARDED)), VERSIONS, *map(_lookup, LOOKUPS)
        ),
    }


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"


def _sharded() -> dict[str, Any]:
    tables = {name: {"column_vindexes": _column_vindexes(name)} for name in sorted(KEYS)}
    lookups = {name: _vindex(name) for name in LOOKUPS}
    return {
        "sharded": True,
        "vindexes": {"xxhash": {"type": "xxhash"}, **lookups},
        "tables": tables,
    }


def _column_vindexes(table: str) -> list[dict[str, Any]]:
    first = {"column": "installation_id", "name": "xxhash"}
    return [first, *(_looked_up(name) for name, (of, _, _) in LOOKUPS.items() if of == table)]


def _looked_up(name: str) -> dict[str, Any]:
    _, column, unique = LOOKUPS[name]
    columns = [column] if unique else [column, "installation_id"]
    return {"columns": columns, "name": name}


def _vindex(name: str) -> dict[str, Any]:
    of, column, unique = LOOKUPS[name]
    return {
        "type": "consistent_lookup_unique" if unique else "consistent_lookup",
        "params": {
            "table": f"{GLOBAL}.{name}",
            "from": column if unique else f"{column},installation_id",
            "to": "keyspace_id",
        },
        "owner": of,
    }


def _global() -> dict[str, Any]:
    names = sorted((*UNSHARDED, *LOOKUPS, "alembic_version"))
    return {"sharded": False, "tables": {name: {} for name in names}}


def _sql(*statements: str) -> str:
    return "".join(f"{each};\n" for each in statements)


def _create(name: str) -> str:
    table = metadata.tables[name]
    ours = {each.name for each in TABLES[name].indexes if each.only != "sqlite"}
    indexes = sorted((i for i in table.indexes if i.name in ours), key=lambda each: str(each.name))
    made = [f"{_text(CreateTable(table))} {OPTIONS}", *(_text(CreateIndex(i)) for i in indexes)]
    return ";\n".join(made)


def _text(made: sa.schema.ExecutableDDLElement) -> str:
    text = str(made.compile(dialect=mysql.dialect()))
    return "\n".join(line.rstrip().replace("\t", "  ") for line in text.strip().splitlines())


def _lookup(name: str) -> str:
    of, column, unique = LOOKUPS[name]
    (type_,) = (each.type for each in metadata.tables[of].columns if each.name == column)
    second = [] if unique else ["installation_id BIGINT NOT NULL"]
    key = column if unique else f"{column}, installation_id"
    columns = [f"{column} {type_.compile(mysql.dialect())} NOT NULL", *second]
    lines = [*columns, "keyspace_id VARBINARY(128)", f"PRIMARY KEY ({key})"]
    return f"CREATE TABLE {name} (\n  " + ",\n  ".join(lines) + f"\n) {OPTIONS}"
