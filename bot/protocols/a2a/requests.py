"""Requests of A2A: JSON-RPC, its versions, and the parameters of the methods."""

from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import orjson
from pydantic import AliasGenerator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from bot.protocols.a2a import errors
from bot.protocols.a2a.errors import RpcError

LATEST, OLD = "1.0", "0.3"
LONGEST_ID = 200
MOST_PARTS = 100
# By their numbers in the specification's Protocol Buffers.
STATES = (
    "TASK_STATE_UNSPECIFIED",
    "TASK_STATE_SUBMITTED",
    "TASK_STATE_WORKING",
    "TASK_STATE_COMPLETED",
    "TASK_STATE_FAILED",
    "TASK_STATE_CANCELED",
    "TASK_STATE_INPUT_REQUIRED",
    "TASK_STATE_REJECTED",
    "TASK_STATE_AUTH_REQUIRED",
)
M = TypeVar("M", bound="Params")


def _none_if_empty(value: Any) -> Any:
    """Protocol Buffers do not tell an empty text from a missing one."""
    return None if value == "" else value


def _role(value: Any) -> Any:
    """In the JSON of Protocol Buffers an enum may be its number."""
    return {1: "ROLE_USER", 2: "ROLE_AGENT"}.get(value, value) if type(value) is int else value


def _state(value: Any) -> Any:
    """A state by its name. None: each of them."""
    named = STATES[value] if type(value) is int and 0 <= value < len(STATES) else value
    return None if named in ("", STATES[0]) else named


TaskId: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]
Id: TypeAlias = Annotated[TaskId | None, BeforeValidator(_none_if_empty)]


class Params(BaseModel):
    """Fields that are not known are ignored (5.7), and null is a missing field."""

    model_config = ConfigDict(
        extra="ignore",
        alias_generator=AliasGenerator(validation_alias=to_camel),
        populate_by_name=True,
    )

    tenant: Id = None


class Part(BaseModel):
    model_config = Params.model_config

    text: str | None = None
    raw: str | None = None
    url: Annotated[str, Field(max_length=2000)] | None = None
    data: Any = None
    filename: Id = None
    media_type: Id = None


class Message(BaseModel):
    model_config = Params.model_config

    message_id: TaskId
    context_id: Id = None
    task_id: Id = None
    role: Annotated[Literal["ROLE_USER"], BeforeValidator(_role)]
    parts: Annotated[list[Part], Field(min_length=1, max_length=MOST_PARTS)]
    metadata: dict[str, Any] | None = None
    reference_task_ids: Annotated[list[TaskId], Field(max_length=20)] | None = None


HistoryLength: TypeAlias = Annotated[int, Field(ge=0, le=2**31 - 1)]


class Configuration(BaseModel):
    model_config = Params.model_config

    history_length: HistoryLength | None = None
    return_immediately: bool | None = None
    task_push_notification_config: dict[str, Any] | None = None


class SendMessage(Params):
    message: Message
    configuration: Configuration | None = None
    metadata: dict[str, Any] | None = None


class GetTask(Params):
    id: TaskId
    history_length: HistoryLength | None = None


class OneTask(Params):
    id: TaskId


class ListTasks(Params):
    context_id: Id = None
    status: Annotated[TaskId | None, BeforeValidator(_state)] = None
    page_size: Annotated[int, Field(ge=1, le=100)] | None = None
    page_token: Annotated[str, Field(max_length=500)] | None = None
    history_length: HistoryLength | None = None
    status_timestamp_after: Annotated[str, Field(max_length=40)] | None = None
    include_artifacts: bool | None = None


class Rpc(BaseModel):
    """`version`: of A2A."""

    id: str | int | None
    method: str
    params: Any
    version: Literal["1.0", "0.3"] = "1.0"


def read_rpc(body: bytes, version: str | None) -> Rpc:
    """Raise RpcError. `version`: the value of A2A-Version, which is 0.3 if there is none."""
    try:
        given = orjson.loads(body)
    except ValueError as exc:
        raise RpcError(errors.PARSE, f"The body is not JSON: {exc}.") from exc
    if isinstance(given, list):
        raise RpcError(errors.INVALID_REQUEST, "Batches are not supported: send one request.")
    if not isinstance(given, dict) or given.get("jsonrpc") != "2.0":
        raise RpcError(
            errors.INVALID_REQUEST,
            'The request is not JSON-RPC 2.0: send an object with "jsonrpc": "2.0".',
        )
    method = given.get("method")
    if not isinstance(method, str):
        raise RpcError(errors.INVALID_REQUEST, "`method` must be a text.")
    if "id" not in given or (rpc_id(given) is None and given["id"] is not None):
        raise RpcError(
            errors.INVALID_REQUEST, "`id` must be a text, a whole number or null: send one."
        )
    return Rpc(
        id=rpc_id(given),
        method=method,
        params=given.get("params"),
        version=check_version(version, method),
    )


def rpc_id(given: Any) -> str | int | None:
    """The id, for errors too. None: it is missing, null or wrong."""
    found = given.get("id") if isinstance(given, dict) else None
    if isinstance(found, bool) or not isinstance(found, str | int):
        return None
    return found if len(str(found)) <= LONGEST_ID else None


def id_of_body(body: bytes) -> str | int | None:
    """The id of a request that may be wrong in every other way."""
    try:
        return rpc_id(orjson.loads(body))
    except ValueError:
        return None


def check_version(given: str | None, method: str) -> Literal["1.0", "0.3"]:
    """The version by major and minor number (3.6). Raise RpcError if it is not supported."""
    parts = (given or OLD).strip().split(".")
    found = ".".join(parts[:2])
    if found == LATEST:
        return "1.0"
    if found == OLD and "/" in method:
        return "0.3"
    named = f"A2A-Version {given}" if given else "A request without the header A2A-Version is 0.3"
    raise RpcError(
        errors.VERSION,
        f"{named}: {method[:50]!r} is not supported by it. Send `A2A-Version: {LATEST}`.",
        metadata={"supported": f"{LATEST}, {OLD}"},
    )


def params_of(model: type[M], given: Any) -> M:
    """Raise RpcError with each wrong field."""
    if not isinstance(given, dict):
        raise RpcError(errors.INVALID_PARAMS, "`params` must be an object.")
    try:
        return model.model_validate(_without_nulls(given))
    except ValidationError as exc:
        wrong = {_place(each["loc"]): _why(each["msg"]) for each in exc.errors()[:10]}
        first = "; ".join(f"`{field}`: {why}" for field, why in list(wrong.items())[:3])
        raise RpcError(errors.INVALID_PARAMS, f"Invalid params: {first}.", wrong) from exc


def _without_nulls(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _place(loc: tuple[str | int, ...]) -> str:
    return ".".join(str(each)[:50] for each in loc)


def _why(text: str) -> str:
    return text[:1].lower() + text[1:200]
