"""Tokens of agents for tests."""

from bot.identity import credentials
from bot.identity.credentials import Grant
from bot.identity.keyring import Keys
from store.engine.transaction import Tx
from store.tables.agents import Role


async def add_api_key(
    tx: Tx,
    keys: Keys,
    installation_id: int,
    actor: str,
    role: Role,
    *,
    repositories: frozenset[int] | None = None,
    expires_at: int | None = None,
) -> str:
    """Add a token for the agent and return it."""
    grant = Grant(installation_id, actor, role, repositories)
    return await credentials.add(tx, keys, "api_key", grant, expires_at=expires_at)
