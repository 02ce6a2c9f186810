"""The tools of mounted servers, as they were accepted."""

from collections.abc import Sequence
from typing import Any

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.mounts import ToolRow

COLUMNS = tuple(ToolRow.__annotations__)
JSON = ("input_schema", "output_schema", "hints", "proposed", "policy")
KEY = ("installation_id", "mount_id", "name")


async def of_mount(tx: Tx, installation_id: int, mount_id: str) -> list[ToolRow]:
    """All tools of a server by name, also the removed ones."""
    q = "SELECT * FROM tools WHERE installation_id = :i AND mount_id = :m ORDER BY name"
    return [decode(row) for row in await tx.all(q, i=installation_id, m=mount_id)]


async def get(tx: Tx, installation_id: int, mount_id: str, name: str) -> ToolRow | None:
    q = "SELECT * FROM tools WHERE installation_id = :i AND mount_id = :m AND name = :n"
    row = await tx.one(q, i=installation_id, m=mount_id, n=name)
    return decode(row) if row else None


async def add(tx: Tx, rows: Sequence[ToolRow]) -> None:
    if rows:
        await tx.many(sql.insert("tools", COLUMNS), [_encode(row) for row in rows])


async def replace(tx: Tx, row: ToolRow) -> None:
    sets = ", ".join(f"{c} = :{c}" for c in COLUMNS if c not in KEY)
    await tx.run(
        f"UPDATE tools SET {sets} WHERE installation_id = :installation_id "
        "AND mount_id = :mount_id AND name = :name",
        **_encode(row),
    )


async def drop(tx: Tx, installation_id: int, mount_id: str, names: Sequence[str]) -> None:
    """Drop tools that are gone and were never accepted."""
    if names:
        q = "DELETE FROM tools WHERE installation_id = :i AND mount_id = :m AND name IN :names"
        await tx.run(q, i=installation_id, m=mount_id, names=tuple(names))


async def counts(tx: Tx, installation_id: int) -> dict[str, dict[str, int]]:
    """By mount, how many tools there are in each state."""
    q = (
        "SELECT mount_id, state, COUNT(*) AS n FROM tools WHERE installation_id = :i "
        "GROUP BY mount_id, state"
    )
    found: dict[str, dict[str, int]] = {}
    for row in await tx.all(q, i=installation_id):
        found.setdefault(row["mount_id"], {})[row["state"]] = row["n"]
    return found


def _encode(row: ToolRow) -> dict[str, Any]:
    values: dict[str, Any] = dict(row)
    return values | {c: json_text.text(values[c]) for c in JSON if values[c] is not None}


def decode(row: Any) -> ToolRow:
    found: ToolRow = row | {c: json_text.value(row[c]) for c in JSON if row[c] is not None}
    return found
