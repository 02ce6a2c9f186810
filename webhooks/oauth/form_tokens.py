"""The form of `/oauth/authorize` carries what the client asked for, and a token.

Only the page for this login, in this browser, for this request, can have the token. So no other
site can post the form, and nobody can change what it carries.
"""

import hmac
import json
from collections.abc import Sequence

from aiohttp import web

from bot.identity.oauth.authorization import Fields, one
from bot.identity.people.browser_sessions import Reach, SignedIn
from bot.times import SECOND
from webhooks.oauth.server import OAUTH

ASKED = (
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "code_challenge",
    "code_challenge_method",
    "resource",
)
# How long a person may look at the page.
FORM_S = 15 * 60
PURPOSE = "oauth consent"


def client_fields(fields: Fields) -> list[tuple[str, str]]:
    """What the client asked for, in a fixed order."""
    return [(name, value) for name in ASKED for value in fields.get(name, ())]


async def hidden_fields(
    request: web.Request, fields: Fields, person: SignedIn, reach: Reach
) -> list[tuple[str, str]]:
    """What the form sends back unchanged."""
    carried = [*client_fields(fields), ("installation", str(reach.installation_id))]
    ends = await _now(request) + FORM_S * SECOND
    token = f"{ends}.{_signature(request, person, carried, ends)}"
    return [*carried, ("token", token)]


async def is_own_form(request: web.Request, fields: Fields, person: SignedIn) -> bool:
    """Whether this browser's login got the form a short while ago, for the same request."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    ends, _, signature = one(fields, "token").partition(".")
    if not (ends.isdecimal() and ends.isascii() and len(ends) < 20 and signature.isascii()):
        return False
    carried = [*client_fields(fields), ("installation", one(fields, "installation"))]
    right = _signature(request, person, carried, int(ends))
    return hmac.compare_digest(signature, right) and await _now(request) < int(ends)


def _signature(
    request: web.Request, person: SignedIn, carried: Sequence[tuple[str, str]], ends: int
) -> str:
    text = json.dumps([person.session, person.person_id, ends, carried])
    return request.app[OAUTH].keys.sign(PURPOSE, text)


async def _now(request: web.Request) -> int:
    return await request.app[OAUTH].store.read(lambda tx: tx.now())
