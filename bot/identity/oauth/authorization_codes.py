"""Authorization codes: what a person granted to an OAuth client, until the client fetches it."""

from dataclasses import replace
from typing import Literal, TypeAlias, cast

from bot.identity import credentials, sessions
from bot.identity.credentials import Grant, grant_of, id_of, is_signed
from bot.identity.keyring import Keys
from bot.identity.oauth.authorization import AuthorizationRequest, proves
from bot.identity.sessions import Issued
from bot.times import SECOND
from store.engine.transaction import Tx
from store.identity import credentials as rows
from store.tables.identity import CredentialRow

# RFC 6749 allows ten minutes. A client fetches its tokens within a second.
CODE_S = 60
# The sessions of one agent with one client, such as one on each of a person's computers.
MOST_SESSIONS = 10
# Why a code was refused. `reused`: what it gave before was revoked.
NoCode: TypeAlias = Literal["unknown", "expired", "reused", "wrong_client", "wrong_proof"]


async def issue(tx: Tx, keys: Keys, grant: Grant, request: AuthorizationRequest) -> str:
    """A code for the client, which works once."""
    return await credentials.add(
        tx,
        keys,
        "authorization_code",
        grant,
        expires_at=await tx.now() + CODE_S * SECOND,
        uses=1,
        data={"redirect_uri": request.redirect_uri, "challenge": request.challenge},
    )


async def exchange(
    tx: Tx,
    keys: Keys,
    code: str,
    *,
    client_id: str,
    redirect_uri: str,
    verifier: str,
    audience: str,
) -> Issued | NoCode:
    """Start the session that the code stands for, or say why not.

    A code that comes a second time was seen by somebody else, so its session ends.
    """
    row = await _find(tx, keys, code)
    if row is None:
        return "unknown"
    if row["uses_left"] == 0:
        if row["family"]:
            await rows.revoke(tx, row["family"])
        return "reused"
    if not await rows.is_live(tx, row):
        return "expired"
    asked = cast("dict[str, str]", row["data"])
    if row["client"] != client_id or asked["redirect_uri"] != redirect_uri:
        return "wrong_client"
    if not proves(verifier, asked["challenge"]):
        return "wrong_proof"
    tx.origin = replace(tx.origin, actor=row["actor"], credential=row["id"])
    await rows.use(tx, row["id"])
    issued = await sessions.start(tx, keys, grant_of(row), audience=audience)
    await rows.change(tx, row["id"], family=issued.session)
    await _end_oldest_sessions(tx, row)
    return issued


async def _end_oldest_sessions(tx: Tx, row: CredentialRow) -> None:
    """A client that forgets its tokens and logs in again and again leaves no pile of them."""
    live = await rows.sessions_of_client(tx, row["installation_id"], row["actor"], row["client"])
    for each in live[MOST_SESSIONS:]:
        await rows.revoke(tx, each)


async def _find(tx: Tx, keys: Keys, code: str) -> CredentialRow | None:
    """The code's row, locked, also if it was used or has expired."""
    credential_id = id_of(code) if code.isascii() else ""
    row = await rows.lock(tx, credential_id) if credential_id else None
    if row is None or row["kind"] != "authorization_code":
        return None
    return row if is_signed(keys, row, code) else None
