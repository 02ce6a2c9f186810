"""Sessions: what a login or an exchange gives. Access tokens, and one refresh token at a time.

A refresh token names its session and its generation. A client that presents one of an earlier
generation has a copy of a token that was used: the whole session ends then.

Some clients ask twice: several processes with one stored token at the same time, and one process
again whose answer was lost. For them an operator may allow some seconds, in which the last token
that was replaced gets the same next one again, until somebody uses that.
https://github.com/anthropics/claude-code/issues/85236
"""

import hmac
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from bot.identity import access_tokens
from bot.identity.credentials import PREFIX, Grant, grant_of, id_of, new_id, new_row, signer
from bot.identity.keyring import Keys
from bot.identity.people import people_roles
from bot.times import SECOND
from store.audit import records
from store.engine.transaction import Tx
from store.identity import credentials
from store.tables.identity import CredentialRow

# A session that is not refreshed for so long has ended.
SESSION_S = 30 * 24 * 3600
PURPOSE = "refresh tokens"

# Why a refresh token was refused. `reused` and `not_granted`: its session was revoked then.
# `not_granted`: the person who granted it no longer has the role on GitHub.
NoSession: TypeAlias = Literal["unknown", "ended", "reused", "wrong_client", "not_granted"]


@dataclass(frozen=True)
class Issued:
    """The tokens of a session. `expires_in`: seconds of the access token."""

    access_token: str
    refresh_token: str
    expires_in: int
    session: str
    grant: Grant


async def start(
    tx: Tx,
    keys: Keys,
    grant: Grant,
    *,
    audience: str,
    lasts_s: int = SESSION_S,
    data: Any = None,
) -> Issued:
    """Start a session. `audience`: the address of this server's MCP endpoint."""
    now, session = await tx.now(), new_id(keys)
    # It has no hash: refresh tokens are signed, and access tokens too.
    ends = now + lasts_s * SECOND
    row = new_row(session, "session", grant, now, expires_at=ends, data=data)
    await credentials.add(tx, row)
    return _issue(keys, grant, session, 0, audience, now)


async def refresh(
    tx: Tx, keys: Keys, token: str, *, audience: str, client: str | None = None, repeat_s: int = 0
) -> Issued | NoSession:
    """The next tokens of the session, or why there are none.

    `client`: the OAuth client that asks; None if it is not asked for. `repeat_s`: for how many
    seconds after its first use the token may be sent again.
    """
    session, generation = _parse(keys, token)
    row = await credentials.lock(tx, session) if session else None
    if row is None or row["kind"] != "session":
        return "unknown"
    if not await credentials.is_live(tx, row):
        return "ended"
    if client is not None and row["client"] != client:
        return "wrong_client"
    advanced = await credentials.advance(tx, session, generation)
    since = await tx.now() - repeat_s * SECOND
    if not advanced and not _is_repeated(row, generation, since):
        await credentials.revoke(tx, session)
        here = (tx, row["installation_id"], row["actor"])
        await records.append(*here, "session.refresh", session, outcome="refused", code="reused")
        return "reused"
    if row["person_id"] is not None and row["actor"].startswith("@"):
        await people_roles.queue_rereads(tx, row["installation_id"], row["person_id"])
    elif row["client"] and not await people_roles.still_grants(tx, grant_of(row)):
        await credentials.revoke(tx, session)
        return "not_granted"
    return _issue(keys, grant_of(row), session, generation + 1, audience, await tx.now())


def _is_repeated(row: CredentialRow, generation: int, since: int) -> bool:
    """Whether it is the last token that was replaced, and that was after `since`."""
    at = row["advanced_at"]
    return row["generation"] == generation + 1 and at is not None and at > since


async def find(tx: Tx, keys: Keys, token: str) -> CredentialRow | None:
    """The session of a refresh token, whatever its generation is."""
    session, _ = _parse(keys, token)
    row = await credentials.get(tx, session) if session else None
    return row if row is not None and row["kind"] == "session" else None


def _issue(
    keys: Keys, grant: Grant, session: str, generation: int, audience: str, now: int
) -> Issued:
    return Issued(
        access_tokens.encode(keys, grant, session, audience=audience, now=now),
        _refresh_token(keys, session, generation),
        access_tokens.ACCESS_S,
        session,
        grant,
    )


def _refresh_token(keys: Keys, session: str, generation: int) -> str:
    secret = signer(keys, session) or keys
    return f"{PREFIX}{session}_{generation}-{secret.sign(PURPOSE, f'{session} {generation}')}"


def _parse(keys: Keys, token: str) -> tuple[str, int]:
    """The session and the generation. An empty session if the token is not signed by us."""
    session = id_of(token) if token.isascii() else ""
    generation = token.rpartition("_")[2].partition("-")[0]
    if not session or not generation.isdecimal() or len(generation) > 9:
        return "", 0
    if signer(keys, session) is None:
        return "", 0
    expected = _refresh_token(keys, session, int(generation))
    return (session, int(generation)) if hmac.compare_digest(expected, token) else ("", 0)
