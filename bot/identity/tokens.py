"""Agents' tokens: check one, find revoked ones, add one."""

import hmac
import secrets
from collections.abc import Collection

from cachetools import TTLCache

from bot.errors import Refused
from bot.identity.actors import Actor
from bot.identity.keyring import KEY_ID, Broken, Keys
from store.agents import agent_keys
from store.engine import remote_changes
from store.engine.transaction import Store, Tx

# How long a process may still accept a revoked token.
TOKEN_CACHE_S = 5
UNKNOWN_TOKEN = (
    "Hubbub does not know this token, or it was revoked. Send a valid one as "  # noqa: S105 - a text
    "`Authorization: Bearer <token>`; `hubbub token create` creates one."
)


class Tokens:
    """Turns a token into an actor, with a cache."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys
        self._actors: TTLCache[str, Actor] = TTLCache(10_000, TOKEN_CACHE_S)

    async def authenticate(self, token: str) -> Actor:
        """The agent that this token belongs to. Raise Refused `unauthenticated`."""
        if actor := self._actors.get(token):
            return actor
        if not token.isascii():  # no token of ours; the database might not take such a text
            raise Refused("unauthenticated", UNKNOWN_TOKEN)
        actor = await self._store.read(lambda tx: _actor(tx, self._keys, token))
        self._actors[token] = actor
        return actor

    async def find_revoked(self, tokens: Collection[str]) -> set[str]:
        """Those of some authenticated tokens that were revoked since."""
        by_id = {_key_id(token): token for token in tokens}
        live = await self._store.read(lambda tx: remote_changes.live_keys(tx, sorted(by_id)))
        return {token for key_id, token in by_id.items() if key_id not in live}


async def _actor(tx: Tx, keys: Keys, token: str) -> Actor:
    key_id = _key_id(token)
    row = await agent_keys.find_live(tx, key_id) if key_id else None
    if row is None or not _is_signed(keys, key_id, token, row["hash"]):
        raise Refused("unauthenticated", UNKNOWN_TOKEN)
    return Actor(row["installation_id"], row["agent_id"], row["role"])


def _key_id(token: str) -> str:
    _, _, rest = token.partition("hubbub_")
    return rest.partition("_")[0]


def _is_signed(keys: Keys, key_id: str, token: str, digest: str) -> bool:
    """The first characters of the token name the secret that signed it."""
    try:
        secret = keys.under(key_id[:KEY_ID])
    except Broken:
        return False
    return hmac.compare_digest(digest, secret.sign("agent keys", token))


async def add_token(tx: Tx, keys: Keys, installation_id: int, agent_id: str, role: str) -> str:
    """Add a token for the agent and return it. The database keeps only its hash."""
    key_id = f"{keys.id}{secrets.token_hex(6)}"
    token = f"hubbub_{key_id}_{secrets.token_urlsafe(32)}"
    await agent_keys.add(
        tx,
        {
            "id": key_id,
            "installation_id": installation_id,
            "agent_id": agent_id,
            "role": role,
            "hash": keys.sign("agent keys", token),
            "created_at": await tx.now(),
        },
    )
    return token
