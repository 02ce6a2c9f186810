"""Secrets that name a credential: how they are made, and checked against the hash of its row."""

import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from bot.identity.actors import Actor
from bot.identity.keyring import KEY_ID, Broken, Keys
from store.engine.transaction import Row, Tx
from store.identity import credentials
from store.tables.agents import Role
from store.tables.identity import CredentialKind, CredentialRow

# The purpose of the key that signs secrets. Tokens of earlier versions are signed with it too.
PURPOSE = "agent keys"
PREFIX = "hubbub_"


@dataclass(frozen=True)
class Grant:
    """What a credential allows. `actor`: an agent's id or `@login`."""

    installation_id: int
    actor: str
    role: Role
    # The ids of the repositories. None: all of the installation.
    repositories: frozenset[int] | None = None
    name: str = ""
    created_by: str = ""
    # The id of the OAuth client that gets it.
    client: str = ""
    # GitHub's id of the person who is the actor, or who granted this.
    person_id: int | None = None

    def row(self) -> Row:
        return {
            "installation_id": self.installation_id,
            "actor": self.actor,
            "role": self.role,
            "repositories": None if self.repositories is None else sorted(self.repositories),
            "name": self.name,
            "created_by": self.created_by,
            "client": self.client,
            "person_id": self.person_id,
        }


def grant_of(row: CredentialRow) -> Grant:
    return Grant(
        row["installation_id"],
        row["actor"],
        row["role"],
        None if row["repositories"] is None else frozenset(row["repositories"]),
        row["name"],
        row["created_by"],
        row["client"],
        row["person_id"],
    )


def actor_of(row: CredentialRow) -> Actor:
    grant = grant_of(row)
    return Actor(
        grant.installation_id,
        grant.actor,
        grant.role,
        grant.repositories,
        credential=row["id"],
        until=row["expires_at"],
    )


def new_id(keys: Keys) -> str:
    """Its first characters name the secret that signs."""
    return f"{keys.id}{secrets.token_hex(6)}"


def new_token(credential_id: str) -> str:
    return f"{PREFIX}{credential_id}_{secrets.token_urlsafe(32)}"


def id_of(token: str) -> str:
    """The id in the token, or an empty text if it has another form."""
    _, found, rest = token.partition(PREFIX)
    given = rest.partition("_")[0]
    # No database takes the odd bytes that a header can have.
    return given if found and given.isascii() else ""


def hash_of(keys: Keys, token: str) -> str:
    return keys.sign(PURPOSE, token)


async def add(
    tx: Tx,
    keys: Keys,
    kind: CredentialKind,
    grant: Grant,
    *,
    expires_at: int | None = None,
    uses: int | None = None,
    data: Any = None,
    family: str | None = None,
) -> str:
    """Add a credential and return its token. The database keeps only a hash.

    `expires_at`: microseconds UTC. `data`: JSON that only this kind has. `family`: the credential
    that it came from.
    """
    credential_id = new_id(keys)
    token = new_token(credential_id)
    columns = {"hash": hash_of(keys, token), "uses_left": uses, "data": data, "family": family}
    now = await tx.now()
    row = new_row(credential_id, kind, grant, now, expires_at=expires_at, **columns)
    await credentials.add(tx, row)
    return token


def new_row(
    credential_id: str, kind: CredentialKind, grant: Grant, now: int, **columns: Any
) -> Row:
    """The row of a new credential. Without a `hash` among the columns, no token opens it."""
    made = {"id": credential_id, "kind": kind, "hash": "", "created_at": now}
    return {**grant.row(), **made, **columns}


async def find(tx: Tx, keys: Keys, token: str, *kinds: CredentialKind) -> CredentialRow | None:
    """The live credential of one of these kinds that the token names and opens."""
    if not token.isascii():  # no token of ours; the database might not take such a text
        return None
    credential_id = id_of(token)
    row = await credentials.find_live(tx, credential_id, *kinds) if credential_id else None
    return row if row is not None and is_signed(keys, row, token) else None


def is_signed(keys: Keys, row: CredentialRow, token: str) -> bool:
    secret = signer(keys, row["id"])
    return secret is not None and hmac.compare_digest(row["hash"], hash_of(secret, token))


def signer(keys: Keys, credential_id: str) -> Keys | None:
    """The keys of the secret that the id names. None if it is unknown."""
    try:
        return keys.under(credential_id[:KEY_ID])
    except Broken:
        return None
