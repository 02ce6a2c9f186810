"""Finds the plain tool calls: those that this module understands in every part.

Pure functions. `tests/mcp_server/test_fast_path.py` compares the answers with the library's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self, TypeAlias

from mcp_types import DEFAULT_NEGOTIATED_VERSION, PROTOCOL_VERSION_META_KEY
from mcp_types.methods import validate_client_request
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError
from pydantic_core import from_json

from bot.operations import OPERATIONS

CALL = "tools/call"
KNOWN = frozenset(KNOWN_PROTOCOL_VERSIONS)
MODERN = frozenset(MODERN_PROTOCOL_VERSIONS)
AS_JSON = frozenset({"application/json", "application/*", "*/*"})
AS_STREAM = frozenset({"text/event-stream", "text/*", "*/*"})
MESSAGE = frozenset({"jsonrpc", "id", "method", "params"})
PARAMS = frozenset({"name", "arguments", "_meta"})
# A client that passes one of these wants to hear of the progress. The second is the name of the
# library's field.
PROGRESS = frozenset({"progressToken", "progress_token"})
# orjson cannot write an integer of this size.
MOST = 2**63
# Case has no meaning in the names, and each is there once unless `has_repeated` is true.
Headers: TypeAlias = Mapping[str, str]


@dataclass(frozen=True)
class Allowed:
    """Which values a header may have. A pattern that ends in `:*` stands for every port."""

    values: frozenset[str]
    beginnings: tuple[str, ...]

    @classmethod
    def of(cls, patterns: list[str]) -> Self:
        beginnings = (each.removesuffix("*") for each in patterns if each.endswith(":*"))
        return cls(frozenset(patterns), tuple(beginnings))

    def has(self, value: str) -> bool:
        return value in self.values or value.startswith(self.beginnings)


@dataclass(frozen=True)
class PlainCall:
    request_id: int | str
    tool: str
    arguments: dict[str, Any]
    meta: dict[str, Any]
    is_modern: bool


def has_repeated(headers: Headers) -> bool:
    """Whether a header is there twice. Then it depends on the reader which one counts."""
    return len({name.lower() for name in headers}) < len(headers)


@lru_cache(maxsize=256)
def media_types(accept: str) -> frozenset[str]:
    """What the client accepts as an answer: anything, if it does not say (RFC 9110, 12.5.1)."""
    named = {each.partition(";")[0].strip() for each in accept.lower().split(",")}
    return frozenset(named - {""} or {"*/*"})


def parse(headers: Headers, body: bytes) -> PlainCall | None:
    """The plain call of a request. None if it is anything else, or if it is in doubt."""
    version = headers.get("MCP-Protocol-Version", DEFAULT_NEGOTIATED_VERSION)
    if version not in KNOWN:
        return None
    try:
        # As the library reads it. orjson would round large numbers.
        message = from_json(body)
    except ValueError:
        return None
    params = _params(message)
    if params is None or not _is_valid(params, version):
        return None
    call = PlainCall(
        message["id"],
        params["name"],
        params.get("arguments") or {},
        params.get("_meta") or {},
        version in MODERN,
    )
    return call if _is_plain(call) and _is_acceptable(headers, call, version) else None


def _params(message: Any) -> dict[str, Any] | None:
    """The parameters, if the message is a request to call a tool and nothing else."""
    match message:
        case {"jsonrpc": "2.0", "method": "tools/call", "id": _, "params": dict() as params}:
            return params if message.keys() <= MESSAGE and params.keys() <= PARAMS else None
    return None


def _is_valid(params: dict[str, Any], version: str) -> bool:
    try:
        validate_client_request(CALL, version, params)
    except ValidationError:
        return False
    return True


def _is_plain(call: PlainCall) -> bool:
    """Whether its id can be answered, the tool exists, and nothing has to be sent meanwhile."""
    return (
        (
            type(call.request_id) is str
            or (type(call.request_id) is int and abs(call.request_id) < MOST)
        )
        and call.tool in OPERATIONS
        and "wait_s" not in call.arguments
        and PROGRESS.isdisjoint(call.meta)
    )


def _is_acceptable(headers: Headers, call: PlainCall, version: str) -> bool:
    """Whether the client takes JSON, and the headers of a newer client name this call."""
    accepted = media_types(headers.get("Accept", ""))
    if not call.is_modern:
        return not accepted.isdisjoint(AS_JSON)
    return (
        not accepted.isdisjoint(AS_JSON | AS_STREAM)
        and call.meta[PROTOCOL_VERSION_META_KEY] == version
        and headers.get("Mcp-Method") == CALL
        and headers.get("Mcp-Name") == call.tool
    )
