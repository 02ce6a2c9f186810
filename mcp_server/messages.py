"""JSON-RPC messages that the library cannot read, drops, or takes for something else."""

import json
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

RequestId: TypeAlias = str | int

FORM = (
    'A request is one JSON object with "jsonrpc": "2.0", an `id` that is a string or a whole '
    "number, a `method`, and an object `params`."
)
CUT = "A text was cut inside of a character and has half of a surrogate pair. Send the whole."
BATCH = "Batches are not supported. Send one message at a time."
# The parts of a line that decide how deep something is nested: texts, and brackets.
TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|[\[\]{}]')
ID = re.compile(r'\s*:\s*("(?:[^"\\]|\\.)*"|-?\d{1,300}(?![\d.eE]))')


def has_unusable_id(message: Any) -> bool:
    """Whether it is a request with an id that no answer can have, such as null or 1.5.

    The library takes it for a notification and never answers.
    """
    if not isinstance(message, dict) or "method" not in message or "id" not in message:
        return False
    return not _is_id(message["id"])


def id_of(message: Any) -> Any:
    """The id as it is given; None if there is none."""
    return message.get("id") if isinstance(message, dict) else None


def unusable_id_error() -> JSONRPCError:
    return _error(None, INVALID_REQUEST, FORM)


def cancelled_request(message: Any) -> RequestId | None:
    """The id of the request that the message cancels."""
    match message:
        case {"method": "notifications/cancelled", "params": {"requestId": str() | int() as found}}:
            return found
    return None


def decode_arguments(message: Any) -> dict[str, Any] | None:
    """The message with a tool's arguments as an object. None: they did not come as a string."""
    match message:
        case {"method": "tools/call", "params": {"arguments": str() as written} as params}:
            try:
                found = json.loads(written)
            except (ValueError, RecursionError):
                return None
            if isinstance(found, dict):
                return {**message, "params": {**params, "arguments": found}}
    return None


def read_line(line: str) -> JSONRPCMessage | list[JSONRPCError]:
    """The message in a line; or what to answer, where the library would drop the line.

    Bytes of the line that are no UTF-8 are surrogates in it.
    """
    try:
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError as exc:
        return list(_answers(line, exc))
    if isinstance(message, JSONRPCNotification) and has_unusable_id(json.loads(line)):
        return [unusable_id_error()]
    return message


def _answers(line: str, exc: ValidationError) -> Iterator[JSONRPCError]:
    """An answer for each request in the line that can be told from noise."""
    first = line.lstrip()[:1]
    if first == "[":
        found: list[RequestId | None] = [*_ids(line, 2)]
        for each in found or [None]:
            yield _error(each, INVALID_REQUEST, BATCH)
    elif first == "{" and not _needs_no_answer(line):
        yield _error(next(_ids(line, 1), None), *_problem(exc))


def _needs_no_answer(line: str) -> bool:
    """Whether the line is a notification, or an answer."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if "method" in message:
        return "id" not in message
    return "result" in message or "error" in message


def _problem(exc: ValidationError) -> tuple[int, str]:
    first = exc.errors(include_url=False, include_input=False)[0]
    if first["type"] == "string_unicode":
        return PARSE_ERROR, "The message is not UTF-8."
    if first["type"] != "json_invalid":
        return INVALID_REQUEST, FORM
    why = first["msg"].removeprefix("Invalid JSON: ")
    hint = f" {CUT}" if "hex escape" in why else ""
    return PARSE_ERROR, f"The message is not JSON that can be read: {why}.{hint}"


def _ids(line: str, level: int) -> Iterator[RequestId]:
    """The values of `id` in the objects of this level, also if the line cannot be read."""
    depth = 0
    for token in TOKEN.finditer(line):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        elif depth == level and token[1] == "id" and (found := ID.match(line, token.end())):
            value = _value(found[1])
            if _is_id(value):
                yield value


def _value(written: str) -> Any:
    try:
        return json.loads(written, strict=False)
    except ValueError:
        return None


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return not re.search("[\ud800-\udfff]", value)  # such a text cannot be sent
    return isinstance(value, int) and not isinstance(value, bool)


def _error(request_id: RequestId | None, code: int, message: str) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=code, message=message))
