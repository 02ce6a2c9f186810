"""The frames that a client sends on a WebSocket."""

import json
from typing import Annotated, Any, Literal, TypeAlias

from aiohttp import WSMessage, WSMsgType
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bot.errors import Refused
from bot.kernel import argument_errors, tolerance
from bot.operations.events import TopicNames

FORMS = (
    'Frames are {"type": "subscribe", "topics": […], "cursor": …} and '
    '{"type": "call", "id": …, "operation": …, "arguments": {…}, "key": …}; `cursor`, '
    "`arguments` and `key` are optional. "
    '{"type": "push", "cursor": …} asks for the pushes of the agent.'
)


class Subscribe(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: Literal["subscribe"]
    topics: TopicNames
    cursor: Annotated[str, Field(max_length=100)] | None = None


class FollowPushes(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: Literal["push"]
    cursor: Annotated[str, Field(max_length=100)] | None = None


class Call(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: Literal["call"]
    id: Annotated[str, Field(max_length=100)] | int
    operation: Annotated[str, Field(max_length=100)]
    arguments: dict[str, Any] = {}
    # What the header Idempotency-Key is for REST.
    key: Annotated[str, Field(max_length=100)] | None = None


Frame: TypeAlias = Subscribe | FollowPushes | Call
FRAME: TypeAdapter[Frame] = TypeAdapter(Annotated[Frame, Field(discriminator="type")])
MODELS: dict[object, type[BaseModel]] = {"call": Call, "push": FollowPushes}


def parse(message: WSMessage) -> Frame:
    """Raise Refused."""
    if message.type is not WSMsgType.TEXT:
        raise Refused("bad_request", "The frame is binary. Send one JSON object as text.")
    try:
        given = json.loads(message.data)
    except (ValueError, RecursionError) as exc:
        raise Refused("bad_request", f"The frame is not JSON. {FORMS}") from exc
    try:
        return tolerance.validate(FRAME.validate_python, given, _model(given))
    except tolerance.InvalidArguments as exc:
        problem = _problem(exc.error, exc.given)
        raise Refused("bad_request", f"{problem}. {FORMS}") from exc


def _model(given: Any) -> type[BaseModel]:
    named = given.get("type") if isinstance(given, dict) else None
    return MODELS.get(named, Subscribe) if isinstance(named, str) else Subscribe


def _problem(exc: ValidationError, given: Any) -> str:
    model = _model(given)
    name, problem = next(iter(argument_errors.problems(exc, given, model).items()))
    return f"{f'`{name}`' if name else 'The frame'} {problem}"
