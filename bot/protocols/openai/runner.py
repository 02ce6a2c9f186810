"""Runs tasks with the model of an OpenAI-compatible endpoint."""

from pydantic import BaseModel, ConfigDict

from bot.protocols.link import Delivery, Link
from bot.protocols.outcomes import Outcome, Rejected


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")


async def deliver(_link: Link, _delivery: Delivery) -> Outcome:
    return Rejected("this version of Hubbub runs no models yet")
