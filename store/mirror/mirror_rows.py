"""Storing and hiding the mirror's rows, whatever their table."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from store.engine import sql
from store.engine.transaction import Row, Tx
from store.mirror import version_guard
from store.tables import TABLES

# Columns by which a cluster of Vitess finds the shard of a row. It refuses to change them in an
# upsert, and they hardly ever change.
FOUND_BY = {"installations": ("account_id",)}


@dataclass(frozen=True)
class Put:
    """The result of `put`. `won`: the row was stored. `tie`: it must be read from GitHub."""

    won: bool
    tie: bool
    before: Row | None


def columns(table: str) -> tuple[str, ...]:
    return TABLES[table].names


def key(table: str) -> tuple[str, ...]:
    return TABLES[table].key


async def put(tx: Tx, table: str, row: Mapping[str, Any]) -> Put:
    """Store a row if its version is the greatest. `row` has the key and `version`.

    The caller has locked the row of the repository or installation.
    """
    keys = key(table)
    where = " AND ".join(f"{k} = :{k}" for k in keys)
    before = await tx.one(f"SELECT * FROM {table} WHERE {where}", **{k: row[k] for k in keys})
    return await put_over(tx, table, row, before)


async def put_over(tx: Tx, table: str, row: Mapping[str, Any], before: Row | None) -> Put:
    """Put a row over the one that the caller has read under this lock, as `put` does."""
    old, new = before["version"] if before else "", row["version"]
    if before is not None and _is_restored(before, row):
        await _store(tx, table, row)
        return Put(won=True, tie=False, before=before)
    if new > old:
        await _store(tx, table, row, "version")
    if before is None:
        return Put(won=True, tie=False, before=None)
    return Put(won=new > old, tie=version_guard.ties(new, old), before=before)


async def _store(tx: Tx, table: str, row: Mapping[str, Any], guard: str | None = None) -> None:
    found_by = FOUND_BY.get(table, ())
    statement = sql.upsert(tx.dialect, table, tuple(row), key(table), guard, found_by)
    await tx.run(statement, **row)
    for name in found_by:
        # Not compared with `before`: another delivery may have stored the row since.
        where = " AND ".join(f"{each} = :{each}" for each in (*key(table), "version"))
        given = {each: row[each] for each in (name, *key(table), "version")}
        q = f"UPDATE {table} SET {name} = :{name} WHERE {where} AND {name} <> :{name}"
        await tx.run(q, **given)


async def by_id(tx: Tx, table: str, installation_id: int, ids: Collection[int]) -> list[Row]:
    q = f"SELECT * FROM {table} WHERE installation_id = :i AND id IN :ids"
    return await tx.all(q, i=installation_id, ids=tuple(sorted(ids)))


def _is_restored(before: Row, row: Mapping[str, Any]) -> bool:
    """Whether GitHub shows a repository or an installation again after it was deleted.

    The owner of a repository can restore it. Nothing else that an event reported as deleted can
    come back.
    """
    if "gone_at" not in before or not before["deleted"] or row["deleted"]:
        return False
    return version_guard.read_at(row["version"]) > (before["gone_at"] or 0)


async def overwrite(tx: Tx, table: str, row: Mapping[str, Any]) -> None:
    """Store a row with any version, because it is the same object at another place."""
    await tx.run(sql.upsert(tx.dialect, table, tuple(row), key(table)), **row)


class IdAndNumber(TypedDict):
    id: int
    number: int


async def changed_between(
    tx: Tx, table: str, installation_id: int, repository_id: int, after: int, before: int
) -> list[IdAndNumber]:
    """The rows that are not deleted and were changed from `after` until before `before`."""
    q = (
        f"SELECT id, number FROM {table} WHERE installation_id = :i AND repository_id = :r "
        "AND updated_at >= :after AND updated_at < :before AND deleted = 0"
    )
    return await tx.all(q, i=installation_id, r=repository_id, after=after, before=before)


async def is_deleted(tx: Tx, table: str, installation_id: int, id_: int | None) -> bool:
    """Whether GitHub reported it as deleted."""
    q = f"SELECT deleted FROM {table} WHERE installation_id = :i AND id = :id"
    row = await tx.one(q, i=installation_id, id=id_)
    return row is not None and bool(row["deleted"])


async def hide(tx: Tx, table: str, row: Mapping[str, Any], read_at: int) -> bool:
    """Hide a row that GitHub does not show. It returns when GitHub shows it later."""
    hidden = version_guard.hidden_version(row, read_at)
    return bool(
        await tx.run(
            f"UPDATE {table} SET deleted = 1, version = :v WHERE installation_id = :i "
            "AND id = :id AND version < :v",
            v=hidden,
            i=row["installation_id"],
            id=row["id"],
        )
    )


def snapshot_columns(table: str) -> list[str]:
    """The columns that come from GitHub, by which tests compare mirrors."""
    local: dict[str, set[str]] = {
        "repositories": {"selected", "gone_at"},
        "installations": {"gone_at"},
    }
    return [c for c in columns(table) if c not in local.get(table, set())]


# The tables whose `version` is the guard. The `version` of a context is only a number.
MIRRORED: tuple[str, ...] = tuple(
    t.name for t in TABLES.values() if {"version", "deleted"} <= set(t.names)
)


async def content(tx: Tx, table: str, installation_id: int) -> list[dict[str, Any]]:
    """Every row of a mirrored table, in key order."""
    names = ", ".join(snapshot_columns(table))
    q = f"SELECT {names} FROM {table} WHERE installation_id = :i ORDER BY {', '.join(key(table))}"
    return await tx.all(q, i=installation_id)


async def present(tx: Tx, table: str, installation_id: int, repository_id: int) -> list[Row]:
    """The repository's labels or milestones that are not deleted."""
    q = f"SELECT * FROM {table} WHERE installation_id = :i AND repository_id = :r AND deleted = 0"
    return await tx.all(q, i=installation_id, r=repository_id)
