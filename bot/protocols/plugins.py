"""Protocols that plug-ins add: a function of a plug-in takes tasks and messages to the agent.

It gets what a callback gets, and the address and the secret of the endpoint. It returns
{"ack": id}. What it did not acknowledge comes again with the same id.
"""

import asyncio
from typing import Any

from pydantic import BaseModel, ConfigDict

from bot.errors import Refused
from bot.protocols import payloads
from bot.protocols.link import Delivery, Link, Reply
from bot.protocols.outcomes import Delivered, Dropped, Failed, Outcome, Rejected

# Seconds after which the endpoint is kept for this process: a plug-in may have to wait for a turn.
KEEP_S = 25.0


class Options(BaseModel):
    """`protocol`: as PLUGIN__PROTOCOL. `values`: what people set, for the plug-in."""

    model_config = ConfigDict(extra="forbid")

    protocol: str
    values: dict[str, Any] = {}


async def deliver(link: Link, delivery: Delivery) -> Outcome:
    try:
        body = await payloads.body(link, delivery)
    except Refused as exc:
        return Dropped(exc.message)
    options = Options.model_validate(delivery.endpoint["options"])
    given = {
        **body,
        "address": delivery.address.url,
        "secret": delivery.address.secret,
        "options": options.values,
        "attempt": delivery.row["attempts"],
    }
    reply = await _call(link, delivery, options.protocol, given)
    return reply if isinstance(reply, Dropped) else _outcome(reply, delivery)


async def _call(
    link: Link, delivery: Delivery, name: str, given: dict[str, Any]
) -> Reply | Dropped:
    """Dropped: another process goes on with it."""
    if link.plugins is None:
        return Reply(failure="this process runs no plug-ins")
    call = asyncio.ensure_future(link.plugins.deliver(delivery.row["installation_id"], name, given))
    try:
        while not (await asyncio.wait([call], timeout=KEEP_S))[0]:
            if not await delivery.keep():
                return Dropped()
        return call.result()
    finally:
        call.cancel()


def _outcome(reply: Reply, delivery: Delivery) -> Outcome:
    if reply.failure is not None:
        return Failed(_safe(reply.failure, delivery))
    value = reply.value if isinstance(reply.value, dict) else {}
    if value.get("ack") == delivery.key:
        return Delivered()
    if isinstance(why := value.get("rejected"), str):
        return Rejected(_safe(why or "the plug-in gave no reason", delivery))
    wait_s = value.get("retry_after")
    return Failed(
        'the plug-in did not return {"ack": id}, so it is sent again',
        wait_s if isinstance(wait_s, int | float) else 0,
    )


def _safe(text: str, delivery: Delivery) -> str:
    """Words of the plug-in, which people see, without what is secret."""
    for each in (delivery.address.secret, delivery.address.url):
        text = text.replace(each, "…") if each else text
    return text
