"""Types of arguments that several operations with agents take."""

from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field

from bot.agents import checkpoints
from bot.identity.actors import SLUG
from bot.kernel.patterns import AGENT, Shape

AgentId: TypeAlias = Annotated[str, AGENT]


# '' stands for no parent.
Parent: TypeAlias = Annotated[str, Shape(f"^({SLUG})?$", f"{AGENT.words}, or '' for none")]


Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]


# How Hubbub reaches an agent; see `bot.protocols.routing`.
Protocol: TypeAlias = Annotated[
    str,
    Shape(
        r"^(a2a|openai|callback|plugin/[a-z0-9-]{1,28}__[a-z0-9_]{1,28})$",
        "must be a2a, openai, callback or plugin/PLUGIN__PROTOCOL",
    ),
]


System: TypeAlias = Annotated[str, Field(max_length=80)]


Why: TypeAlias = Annotated[str, Field(max_length=500)]


State: TypeAlias = Annotated[
    Any,
    AfterValidator(checkpoints.checked_state),
    # The audit log leaves it out, because the database stores it encrypted.
    Field(repr=False, description="JSON to resume from; with `task`, for its next holder too"),
]
