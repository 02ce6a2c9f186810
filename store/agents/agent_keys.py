"""The keys of agents. A token contains the id of its key; the row has only a hash."""

from typing import TypedDict

from store.engine import sql
from store.engine.transaction import Row, Tx
from store.tables.agents import AgentKeyRow, Role

COLUMNS = ("id", "installation_id", "agent_id", "role", "hash", "created_at")


class KeyInfo(TypedDict):
    """A key without its hash."""

    id: str
    agent_id: str
    role: Role
    created_at: int


async def add(tx: Tx, row: Row) -> None:
    await tx.run(sql.insert("agent_keys", COLUMNS), **row)


async def find_live(tx: Tx, key_id: str) -> AgentKeyRow | None:
    """The key, unless it is revoked."""
    q = "SELECT * FROM agent_keys WHERE id = :id AND revoked_at IS NULL"
    return await tx.one(q, id=key_id)


async def of_installation(tx: Tx, installation_id: int) -> list[KeyInfo]:
    """The live keys by agent, without their hashes."""
    return await tx.all(
        "SELECT id, agent_id, role, created_at FROM agent_keys WHERE installation_id = :i "
        "AND revoked_at IS NULL ORDER BY agent_id, created_at",
        i=installation_id,
    )


async def revoke(tx: Tx, key_id: str) -> bool:
    """Revoke the key. False if there is none."""
    return bool(
        await tx.run(
            "UPDATE agent_keys SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL",
            now=await tx.now(),
            id=key_id,
        )
    )


async def get(tx: Tx, key_id: str) -> AgentKeyRow | None:
    """The key, also if it is revoked."""
    return await tx.one("SELECT * FROM agent_keys WHERE id = :id", id=key_id)
