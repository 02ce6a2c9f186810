"""Token exchange (RFC 8693): a job of GitHub Actions gets a session for its own token."""

from typing import Any

from aiohttp import web

from bot.errors import Refused
from bot.identity.oauth.authorization import Fields, OAuthError, need, one
from bot.identity.sessions import Issued
from bot.repository.run_settings import RUN_INPUT
from bot.runs.actions_tokens import CLIENT
from webhooks.addresses import ADDRESSES
from webhooks.app_keys import TOKENS
from webhooks.oauth.server import OAUTH
from webhooks.origins import origin_of

TYPES = "urn:ietf:params:oauth:token-type:"
# What the subject token may be called: it is both.
SUBJECT_TYPES = (f"{TYPES}jwt", f"{TYPES}id_token")
ISSUED_TYPE = f"{TYPES}access_token"


async def exchange(request: web.Request, fields: Fields, _: str) -> Issued:
    """Raise OAuthError, or Refused if GitHub's keys cannot be fetched."""
    oauth, given = request.app[OAUTH], need(fields, "subject_token")
    if need(fields, "subject_token_type") not in SUBJECT_TYPES:
        raise OAuthError("invalid_request", f"subject_token_type is {SUBJECT_TYPES[0]}.")
    if oauth.actions is None or not oauth.actions.takes(given):
        raise OAuthError("invalid_request", "subject_token is not a token of GitHub Actions.")
    now = await request.app[TOKENS].revocations.look()
    audience, origin = request.app[ADDRESSES].audience, origin_of(request, "oauth")
    try:
        return await oauth.actions.exchange(
            oauth.keys,
            given,
            now,
            audience=audience,
            origin=origin,
            run_id=one(fields, RUN_INPUT),
        )
    except Refused as exc:
        if exc.status >= 500:
            raise
        # RFC 8693, 2.2.2: a token that is not valid, or not acceptable.
        raise OAuthError("invalid_request", exc.message) from exc


def extra_fields(issued: Issued) -> dict[str, Any]:
    """What the answer to an exchange has beside the tokens."""
    if issued.grant.client != CLIENT:
        return {}
    return {"issued_token_type": ISSUED_TYPE, "agent_id": issued.grant.actor}
