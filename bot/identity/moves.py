"""Moves: a one-time code with which an agent goes on in another system.

The exchange gives the new system a token and ends all others of the agent, so that it is never
held twice. The code may be used again by the same client, whose answer was lost: what the first
use gave ends then. Its leases, messages and checkpoints belong to the agent's id, so they stay.
"""

import hashlib
import hmac
from dataclasses import replace
from typing import Any

from bot.identity import credentials as secret
from bot.identity.credentials import Grant, grant_of
from bot.identity.keyring import Keys
from bot.times import DAY, SECOND, stamp
from store import events
from store.agents import agents
from store.audit import records
from store.engine.transaction import Tx
from store.identity import credentials
from store.tables.identity import CredentialRow

# How long a code works, and how long the token lasts that it gives, at most.
USUAL_S, LONGEST_S = 15 * 60, 3600
KEY = 90 * DAY


async def add(
    tx: Tx, keys: Keys, grant: Grant, *, lasts_s: int, until: int | None, to: str, cursor: str
) -> str:
    """Add a code and return it. Earlier codes of the agent do nothing any more.

    `until`: when the token of the old system ends; the new one does not last longer.
    """
    for each in await credentials.codes_of(tx, grant.installation_id, grant.actor):
        row = await credentials.get(tx, each)
        if row is not None and _move(row) is not None:
            await credentials.revoke(tx, each)
    expires_at = await tx.now() + lasts_s * SECOND
    data = {"move": {"to": to, "cursor": cursor, "until": until}}
    return await secret.add(tx, keys, "invitation", grant, expires_at=expires_at, uses=1, data=data)


def _move(row: CredentialRow) -> dict[str, Any] | None:
    data: dict[str, Any] = row["data"] or {}
    return data.get("move")


def is_move(row: CredentialRow) -> bool:
    return row["kind"] == "invitation" and _move(row) is not None


def cursor_of(row: CredentialRow) -> str:
    """The cursor of events that the old system handed over."""
    return str((_move(row) or {}).get("cursor", ""))


async def exchange(
    tx: Tx, keys: Keys, found: CredentialRow, client_key: str
) -> tuple[str, Grant, int] | None:
    """The new token, for whom it is, and when it expires. None if the code does nothing.

    `client_key`: a text of the client's choice. Only with the same one the code works again.
    """
    row = await credentials.lock(tx, found["id"])
    if row is None or not await credentials.is_live(tx, row) or not await _is_here(tx, row):
        return None
    tx.origin = replace(tx.origin, actor=row["actor"], credential=row["id"])
    bearers = await _locked_bearers(tx, row)
    if not row["uses_left"] and not await _is_same_client(tx, row, client_key, bearers):
        return None
    if not bearers:
        return None  # its last token was revoked
    is_first = await credentials.use(tx, row["id"])
    used = {**(row["data"] or {}), "client": _hash(row["id"], client_key)}
    await credentials.change(tx, row["id"], data=used)
    await _end_others(tx, row, bearers)
    if is_first:
        await _record(tx, row)
    return await _issue(tx, keys, row)


async def _is_here(tx: Tx, row: CredentialRow) -> bool:
    """Whether the agent is registered and not paused. Nobody changes that meanwhile."""
    found = await agents.lock(tx, row["installation_id"], [row["actor"]])
    return bool(found) and found[0]["left_at"] is None and found[0]["paused_at"] is None


async def _locked_bearers(tx: Tx, row: CredentialRow) -> list[CredentialRow]:
    """The live tokens and sessions of the agent. Nobody revokes one of them meanwhile."""
    ids = await credentials.of_actor(tx, row["installation_id"], row["actor"])
    found = [await credentials.lock(tx, each) for each in sorted(ids)]
    return [each for each in found if each is not None and await credentials.is_live(tx, each)]


async def _is_same_client(
    tx: Tx, row: CredentialRow, client_key: str, bearers: list[CredentialRow]
) -> bool:
    """Whether who used the code uses it again, and holds the agent. People see it if not."""
    expected = (row["data"] or {}).get("client", "")
    if client_key and hmac.compare_digest(str(expected), _hash(row["id"], client_key)):
        return all(each["family"] == row["id"] for each in bearers)
    i, at = row["installation_id"], await tx.now()
    await credentials.change(tx, row["id"], generation=row["generation"] + 1, advanced_at=at)
    await records.append(tx, i, None, "agent.moved", row["actor"], outcome="refused", code="reused")
    return False


def _hash(code_id: str, client_key: str) -> str:
    return hashlib.sha256(f"{code_id} {client_key}".encode()).hexdigest()


async def _end_others(tx: Tx, row: CredentialRow, bearers: list[CredentialRow]) -> None:
    """End all that opens the agent to somebody else, and say on it where the agent went."""
    moved = {"to": (_move(row) or {}).get("to", ""), "at": await tx.now(), "by": row["created_by"]}
    for held in bearers:
        await credentials.change(tx, held["id"], data={**(held["data"] or {}), "moved": moved})
        await credentials.end(tx, held["id"])
    for each in await credentials.codes_of(tx, row["installation_id"], row["actor"]):
        if each != row["id"]:
            await credentials.revoke(tx, each)


async def _record(tx: Tx, row: CredentialRow) -> None:
    i, me, to = row["installation_id"], row["actor"], (_move(row) or {}).get("to", "")
    await records.append(tx, i, None, "agent.moved", me)
    data = {"by": row["created_by"]} | ({"to": to} if to else {})
    await events.append(tx, i, "agent.moved", me, me, data)


async def _issue(tx: Tx, keys: Keys, row: CredentialRow) -> tuple[str, Grant, int]:
    until = (_move(row) or {}).get("until")
    expires_at = min(await tx.now() + KEY, until or await tx.now() + KEY)
    grant = replace(grant_of(row), name=f"moved by {row['created_by']}"[:200])
    key = await secret.add(tx, keys, "api_key", grant, expires_at=expires_at, family=row["id"])
    return key, grant, expires_at


def words(row: CredentialRow | None) -> str | None:
    """What the old system reads of a token that a move has ended. None: no move ended it."""
    moved = ((row["data"] if row else None) or {}).get("moved")
    if row is None or moved is None:
        return None
    to = f" to {moved['to']}" if moved["to"] else " to another system"
    return (
        f"{row['actor']} moved{to} at {stamp(moved['at'])}, by a code that {moved['by']} made, and "
        "this token ended. Stop here: the agent goes on there, with its tasks and messages."
    )
