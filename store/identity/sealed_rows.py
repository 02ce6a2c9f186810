"""Finds and replaces the sealed rows of every table, for the rotation of the secret."""

from dataclasses import dataclass
from typing import Any

from store.engine.transaction import Row, Tx


@dataclass(frozen=True)
class Sealed:
    """A table with sealed rows, which name their secret in `key_id`, or in their first bytes."""

    table: str
    key: tuple[str, ...]
    prefix: int = 0

    @property
    def under(self) -> str:
        """SQL for the id of a row's secret. Bytes compare alike on both engines only as HEX."""
        return f"HEX(SUBSTR(sealed, 1, {self.prefix}))" if self.prefix else "key_id"

    def encode_id(self, key_id: str) -> str:
        """The id in the form that this SQL compares."""
        return key_id.encode().hex().upper() if self.prefix else key_id

    def decode_id(self, text: str) -> str:
        return bytes.fromhex(text).decode(errors="replace") if self.prefix else text


async def counts(tx: Tx, which: Sealed) -> dict[str, int]:
    """How many rows there are, by the id of their secret."""
    q = f"SELECT {which.under} AS id, COUNT(*) AS n FROM {which.table} GROUP BY {which.under}"
    return {which.decode_id(row["id"]): row["n"] for row in await tx.all(q)}


async def lock_batch(tx: Tx, which: Sealed, key_id: str, skip: int, limit: int) -> list[Row]:
    """Lock a batch of rows under this secret and return it.

    `skip` is the number of rows that cannot be opened. The rows come in the order of the index,
    because sorting would lock all of them.
    """
    return await tx.all(
        f"SELECT {', '.join(which.key)}, sealed FROM {which.table} WHERE {which.under} = :k "
        "LIMIT :n OFFSET :skip FOR UPDATE",
        k=which.encode_id(key_id),
        n=limit,
        skip=skip,
    )


async def replace(tx: Tx, which: Sealed, row: Row, sealed: bytes, key_id: str) -> None:
    """`key_id` goes before the bytes where there is no column for it."""
    where = " AND ".join(f"{name} = :{name}" for name in which.key)
    key = {name: row[name] for name in which.key}
    values: dict[str, Any]
    if which.prefix:
        sets, values = "sealed = :sealed", {"sealed": key_id.encode() + sealed}
    else:
        sets, values = "sealed = :sealed, key_id = :k", {"sealed": sealed, "k": key_id}
    await tx.run(f"UPDATE {which.table} SET {sets} WHERE {where}", **key, **values)


async def tokens(tx: Tx, key_id: str) -> int:
    """How many live tokens and sessions belong to this secret."""
    q = (
        "SELECT COUNT(*) AS n FROM credentials WHERE id LIKE :begins AND revoked_at IS NULL "
        "AND kind IN ('api_key', 'session')"
    )
    row = await tx.one(q, begins=f"{key_id}%")
    return row["n"] if row else 0
