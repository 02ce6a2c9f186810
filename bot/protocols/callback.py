"""Signed HTTP callbacks: the agent's own server gets tasks and messages, and acknowledges them.

It answers 2xx with {"ack": id}. A claim of the task, or reading the message, acknowledges too. What
nobody acknowledged is sent again with the same id.
"""

from typing import Any, Literal

import aiohttp
import orjson
from pydantic import BaseModel, ConfigDict

from bot import foreign_json
from bot.errors import Refused
from bot.notifications.outcomes import retry_after
from bot.notifications.services.webhook import signed_headers
from bot.protocols import outgoing, payloads
from bot.protocols.link import Delivery, Link
from bot.protocols.outcomes import Delivered, Dropped, Failed, Outcome, Rejected
from bot.public_internet import read_body
from bot.times import SECOND

TIMEOUT_S = 15.0
# Bytes of an answer that are read.
MOST_READ = 4096
# The address is no longer there, and stays so.
GONE = (404, 410)


class Options(BaseModel):
    """`needs_ack`: body, or any 2xx counts."""

    model_config = ConfigDict(extra="forbid")

    needs_ack: Literal["body", "status"] = "body"


async def deliver(link: Link, delivery: Delivery) -> Outcome:
    try:
        content = orjson.dumps(await payloads.body(link, delivery))
    except Refused as exc:
        return Dropped(exc.message)
    at = delivery.now // SECOND
    try:
        headers = signed_headers(delivery.key, at, content, delivery.address.secret)
        async with link.outgoing.request(
            "POST", delivery.address.url, content=content, headers=headers, timeout_s=TIMEOUT_S
        ) as answer:
            text = (await read_body(answer, MOST_READ))[:MOST_READ]
            return _outcome(answer, text, delivery, at)
    except Refused as exc:
        return Rejected(exc.message)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as exc:
        return Failed(outgoing.reason(exc, TIMEOUT_S))


def _outcome(
    answer: aiohttp.ClientResponse, text: bytes, delivery: Delivery, now: float
) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        needs_body = Options.model_validate(delivery.endpoint["options"]).needs_ack == "body"
        if needs_body and _ack_in(text) != delivery.key:
            return Failed(f'it answered {status} without {{"ack": "<id>"}}, so it is sent again')
        return Delivered()
    if status in GONE:
        return Rejected(f"it answered {status}")
    if 300 <= status < 400:
        return Rejected(f"it answered {status}; redirects are not followed")
    wait_s = retry_after(answer.headers.get("Retry-After", ""), now)
    return Failed(f"it answered {status}", wait_s)


def _ack_in(text: bytes) -> Any:
    try:
        found = foreign_json.value(text)
    except ValueError:
        return None
    return found.get("ack") if isinstance(found, dict) else None
