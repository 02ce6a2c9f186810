"""Agents and the keys they come with."""

import json

from store import sql
from store.transaction import Row, Tx

COLUMNS = (
    "installation_id",
    "id",
    "name",
    "system_name",
    "role",
    "capabilities",
    "parent_id",
    "registered_at",
    "last_active_at",
)
KEY_COLUMNS = ("id", "installation_id", "agent_id", "role", "hash", "created_at")


async def add_key(tx: Tx, row: Row) -> None:
    await tx.run(sql.insert("agent_keys", KEY_COLUMNS), **row)


async def find_key(tx: Tx, key_id: str) -> Row | None:
    """The key if it was not revoked."""
    q = "SELECT * FROM agent_keys WHERE id = :id AND revoked_at IS NULL"
    return await tx.one(q, id=key_id)


async def register(tx: Tx, row: Row) -> None:
    """Add the agent, or update it."""
    known = await get(tx, row["installation_id"], row["id"]) is not None
    row = row | {"capabilities": json.dumps(row["capabilities"])}
    if known:
        row.pop("registered_at")
        sets = ", ".join(f"{c} = :{c}" for c in row if c not in ("installation_id", "id"))
        await tx.run(
            f"UPDATE agents SET {sets} WHERE installation_id = :installation_id AND id = :id", **row
        )
    else:
        await tx.run(sql.upsert(tx.dialect, "agents", COLUMNS, ("installation_id", "id")), **row)


async def get(tx: Tx, installation_id: int, agent_id: str) -> Row | None:
    q = "SELECT * FROM agents WHERE installation_id = :i AND id = :a"
    row = await tx.one(q, i=installation_id, a=agent_id)
    return _decoded(row) if row else None


async def listed(tx: Tx, installation_id: int, after: str, limit: int) -> list[Row]:
    q = "SELECT * FROM agents WHERE installation_id = :i AND id > :after ORDER BY id LIMIT :n"
    return [_decoded(r) for r in await tx.all(q, i=installation_id, after=after, n=limit)]


async def touch(tx: Tx, installation_id: int, agent_id: str, now: int) -> None:
    """Note that the agent is there."""
    await tx.run(
        "UPDATE agents SET last_active_at = :now WHERE installation_id = :i AND id = :a",
        now=now,
        i=installation_id,
        a=agent_id,
    )


def _decoded(row: Row) -> Row:
    return row | {"capabilities": json.loads(row["capabilities"])}


async def keys_of(tx: Tx, installation_id: int) -> list[Row]:
    """The keys that were not revoked, by agent; never their hashes."""
    return await tx.all(
        "SELECT id, agent_id, role, created_at FROM agent_keys WHERE installation_id = :i "
        "AND revoked_at IS NULL ORDER BY agent_id, created_at",
        i=installation_id,
    )


async def revoke_key(tx: Tx, key_id: str) -> bool:
    """Whether there was such a key to revoke."""
    return bool(
        await tx.run(
            "UPDATE agent_keys SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL",
            now=await tx.now(),
            id=key_id,
        )
    )


async def count(tx: Tx, installation_id: int, agent_id: str, column: str) -> None:
    """One more of completed, failed, expired or released."""
    q = f"UPDATE agents SET {column} = {column} + 1 WHERE installation_id = :i AND id = :a"
    await tx.run(q, i=installation_id, a=agent_id)
