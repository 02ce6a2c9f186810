"""Delivers tasks and messages to agents that speak A2A 1.0.

A delivery takes many steps, and each is over within a minute. What is known between two steps is in
the row. No process sends a message twice: before a request that has an effect, the row says at
which attempt it is sent, so a later attempt finds out first whether the agent has it.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bot.errors import Refused
from bot.protocols.a2a import cancelling, message_delivery, task_runs
from bot.protocols.a2a.exchange import Exchange
from bot.protocols.a2a.remote import Problem
from bot.protocols.link import Delivery, Link
from bot.protocols.outcomes import Delivered, Dropped, Failed, Outcome, Rejected

# Header names that would change what the request is.
HEADER = r"^[A-Za-z][A-Za-z0-9-]{0,63}$"


class Options(BaseModel):
    """`key_header`: the header of the secret, if it is not a bearer token.

    `repositories`: those in which the agent may work; without them, in all.
    """

    model_config = ConfigDict(extra="forbid")

    key_header: Annotated[str, Field(pattern=HEADER)] | None = None
    most_hours: Annotated[int, Field(ge=1, le=168)] = 24
    repositories: Annotated[list[Annotated[str, Field(max_length=250)]], Field(max_length=50)] = []


async def deliver(link: Link, delivery: Delivery) -> Outcome:
    options = Options.model_validate(delivery.endpoint["options"])
    exchange = Exchange.of(link, delivery, options.key_header, options.most_hours)
    try:
        return await _step(exchange)
    except Refused as exc:
        return _outcome_of(exc)
    except Problem as exc:
        if exc.is_final:
            return Rejected(exc.why)
        return Failed(exc.why, exc.wait_s, data=exchange.after_failure(sent=exc.sent))


async def _step(exchange: Exchange) -> Outcome:
    kind = exchange.delivery.row["kind"]
    if kind == "test":
        found = await exchange.remote.read_card()
        return Delivered(data={"name": found.name})
    if kind == "cancel":
        return await cancelling.step(exchange)
    if kind == "message":
        return await message_delivery.step(exchange)
    return await task_runs.step(exchange)


# The agent lost the task, or what the delivery is about is no longer there.
GONE = frozenset(
    {"unknown_task", "unknown_message", "not_holder", "stale_fence", "already_claimed", "reserved"}
)


def _outcome_of(exc: Refused) -> Outcome:
    """An operation refused what the agent wants, or is given."""
    return Dropped(exc.message) if exc.code in GONE else Failed(exc.message)
