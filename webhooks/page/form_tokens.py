"""Tokens in forms: only a preview of this login can have one, for this effect, for a while.

So no other site can post the form, and nothing else runs than what the person saw before.
"""

import hmac
import json
from typing import Any

from bot.times import SECOND
from webhooks.login import LOGIN
from webhooks.page.visit import Visit

PURPOSE = "page actions"
FORM_S = 15 * 60


def new_token(visit: Visit, operation: str, given: dict[str, Any], key: str, agreed: str) -> str:
    ends = visit.now + FORM_S * SECOND
    return f"{ends}.{_signature(visit, operation, given, [key, agreed], ends)}"


def is_valid(
    visit: Visit, token: str, operation: str, given: dict[str, Any], key: str, agreed: str
) -> bool:
    if visit.request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    ends, _, signature = token.partition(".")
    if not (ends.isdecimal() and ends.isascii() and len(ends) < 20 and signature.isascii()):
        return False
    right = _signature(visit, operation, given, [key, agreed], int(ends))
    return hmac.compare_digest(signature, right) and visit.now < int(ends)


def _signature(
    visit: Visit, operation: str, given: dict[str, Any], seen: list[str], ends: int
) -> str:
    who = [visit.visitor.session, *visit.actor.key]
    text = json.dumps([who, operation, sorted(given.items()), seen, ends])
    return visit.request.app[LOGIN].keys.sign(PURPOSE, text)
