"""Delivers tasks and messages to agents that speak A2A 1.0."""

from pydantic import BaseModel, ConfigDict

from bot.protocols.link import Delivery, Link
from bot.protocols.outcomes import Outcome, Rejected


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")


async def deliver(_link: Link, _delivery: Delivery) -> Outcome:
    return Rejected("this version of Hubbub does not deliver by A2A yet")
