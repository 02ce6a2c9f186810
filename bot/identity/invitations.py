"""Invitations: a code that makes an API key for one agent, a bounded number of times.

A command in a comment cannot show a code, because everybody could read it. It makes an invitation
without one; the person who wrote the command gets the code after a login.
"""

from dataclasses import replace
from typing import NamedTuple

from bot.errors import Refused
from bot.identity import credentials as secret
from bot.identity import moves
from bot.identity.credentials import Grant, grant_of
from bot.identity.keyring import Keys
from bot.identity.people import people_roles
from bot.times import SECOND, stamp
from store.audit import records
from store.engine.transaction import Tx
from store.identity import credentials

HOUR_S = 3600
DAY_S = 24 * HOUR_S
# How long an invitation may be open, and how long the key lasts that it makes.
LONGEST_S = 7 * DAY_S
KEY_S = 90 * DAY_S


async def add(
    tx: Tx, keys: Keys, grant: Grant, *, lasts_s: int = HOUR_S, uses: int = 1, key_s: int = KEY_S
) -> str:
    """Add an invitation and return its code. `key_s`: how long the key lasts."""
    return await secret.add(
        tx,
        keys,
        "invitation",
        grant,
        expires_at=await tx.now() + lasts_s * SECOND,
        uses=uses,
        data={"key_s": key_s},
    )


async def add_hidden(tx: Tx, keys: Keys, grant: Grant) -> str:
    """Add an invitation whose code nobody has yet, and return its id."""
    invitation_id = secret.new_id(keys)
    now = await tx.now()
    columns = {"expires_at": now + HOUR_S * SECOND, "uses_left": 1, "data": {"key_s": KEY_S}}
    row = secret.new_row(invitation_id, "invitation", grant, now, **columns)
    await credentials.add(tx, row)
    return invitation_id


async def reveal(tx: Tx, keys: Keys, invitation_id: str, person_id: int) -> str | None:
    """The code of a hidden invitation, once, for the person who made it."""
    row = await credentials.lock(tx, invitation_id)
    if row is None or row["kind"] != "invitation" or not await credentials.is_live(tx, row):
        return None
    if row["person_id"] != person_id or row["hash"]:
        return None
    code = secret.new_token(invitation_id)
    signer = secret.signer(keys, invitation_id) or keys
    await credentials.change(tx, invitation_id, hash=secret.hash_of(signer, code))
    i = row["installation_id"]
    await records.append(tx, i, None, "invitation.revealed", invitation_id)
    return code


async def is_known(tx: Tx, keys: Keys, code: str) -> bool:
    """Whether the code is one of ours, and may still work."""
    return await secret.find(tx, keys, code, "invitation") is not None


class Redeemed(NamedTuple):
    """What a code gave. `expires_at`: microseconds. `cursor`: of events, after a move."""

    token: str
    grant: Grant
    expires_at: int
    cursor: str = ""


async def redeem(tx: Tx, keys: Keys, code: str, client_key: str = "") -> Redeemed | None:
    """The API key that the code makes, for whom it is, and when it expires.

    None if the code is unknown, used up, expired or revoked, or if the person who invites no longer
    has the role. `client_key`: see `bot.identity.moves`.
    """
    row = await secret.find(tx, keys, code, "invitation")
    if row is None or not await people_roles.still_grants(tx, grant_of(row)):
        return None
    if moves.is_move(row):
        moved = await moves.exchange(tx, keys, row, client_key)
        return Redeemed(*moved, moves.cursor_of(row)) if moved else None
    if not await credentials.use(tx, row["id"]):
        return None
    grant = replace(grant_of(row), name=f"invited by {row['created_by']}"[:200])
    assert row["data"] is not None
    tx.origin = replace(tx.origin, actor=grant.actor, credential=row["id"])
    expires_at = await tx.now() + int(row["data"]["key_s"]) * SECOND
    key = await secret.add(tx, keys, "api_key", grant, expires_at=expires_at, family=row["id"])
    return Redeemed(key, grant, expires_at)


def answer(redeemed: Redeemed | None) -> dict[str, str]:
    """What the sender of the code gets. Raise Refused."""
    if redeemed is None:
        raise Refused(
            "unauthenticated",
            "This invitation is unknown, used up or expired. Ask a tech-lead for another one.",
        )
    made = {
        "token": redeemed.token,
        "agent_id": redeemed.grant.actor,
        "role": redeemed.grant.role,
        "expires_at": stamp(redeemed.expires_at),
    }
    return made | ({"events_cursor": redeemed.cursor} if redeemed.cursor else {})
