"""Errors of A2A by JSON-RPC: their codes, and how Hubbub's refusals become them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.errors import Refused

# The codes of the specification, section 5.4, with the reason in `google.rpc.ErrorInfo`.
PARSE, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS, INTERNAL = -32700, -32600, -32601, -32602, -32603
TASK_NOT_FOUND, NOT_CANCELABLE, NO_PUSH, UNSUPPORTED = -32001, -32002, -32003, -32004
CONTENT_TYPE, BAD_ANSWER, NO_CARD, NEEDS_EXTENSION, VERSION = -32005, -32006, -32007, -32008, -32009
# JSON-RPC leaves it to servers. The reason has Hubbub's own code.
REFUSED = -32000
REASONS = {
    PARSE: "PARSE_ERROR",
    INVALID_REQUEST: "INVALID_REQUEST",
    NO_METHOD: "METHOD_NOT_FOUND",
    INVALID_PARAMS: "INVALID_PARAMS",
    INTERNAL: "INTERNAL_ERROR",
    TASK_NOT_FOUND: "TASK_NOT_FOUND",
    NOT_CANCELABLE: "TASK_NOT_CANCELABLE",
    NO_PUSH: "PUSH_NOTIFICATION_NOT_SUPPORTED",
    UNSUPPORTED: "UNSUPPORTED_OPERATION",
    CONTENT_TYPE: "CONTENT_TYPE_NOT_SUPPORTED",
    BAD_ANSWER: "INVALID_AGENT_RESPONSE",
    NO_CARD: "EXTENDED_AGENT_CARD_NOT_CONFIGURED",
    NEEDS_EXTENSION: "EXTENSION_SUPPORT_REQUIRED",
    VERSION: "VERSION_NOT_SUPPORTED",
}
TYPES = "type.googleapis.com/google.rpc."
A2A, HUBBUB = "a2a-protocol.org", "hubbub"
# Hubbub's codes that are errors of the protocol. All others are REFUSED.
OF_REFUSAL = {
    "unknown_task": TASK_NOT_FOUND,
    "invalid_arguments": INVALID_PARAMS,
    "unknown_repository": INVALID_PARAMS,
    "unknown_agent": INVALID_PARAMS,
    "unknown_message": INVALID_PARAMS,
    "key_reused": INVALID_PARAMS,
    "bad_request": PARSE,
    "too_large": INVALID_REQUEST,
    "internal": INTERNAL,
    "unavailable": INTERNAL,
}
# The most bytes of details that an error carries.
MOST_DETAILS = 4000


@dataclass
class RpcError(Exception):
    """What the caller gets. `fields`: the wrong parameters, each with what is wrong."""

    code: int
    message: str
    fields: Mapping[str, str] | None = None
    reason: str = ""
    metadata: Mapping[str, str] | None = None

    def body(self) -> dict[str, Any]:
        domain = HUBBUB if self.code == REFUSED else A2A
        info: dict[str, Any] = {
            "@type": f"{TYPES}ErrorInfo",
            "reason": self.reason or REASONS[self.code],
            "domain": domain,
        }
        if self.metadata:
            info["metadata"] = dict(self.metadata)
        data = [info]
        if self.fields:
            violations = [{"field": n, "description": why} for n, why in self.fields.items()]
            data.append({"@type": f"{TYPES}BadRequest", "fieldViolations": violations})
        return {"code": self.code, "message": self.message, "data": data}


def invalid(field: str, why: str) -> RpcError:
    return RpcError(INVALID_PARAMS, f"`{field}` {why}.", {field: why})


def of_refusal(refused: Refused) -> RpcError:
    code = OF_REFUSAL.get(refused.code, REFUSED)
    body = refused.body()["error"]
    wrong = {each["argument"]: each["problem"] for each in body["details"].get("errors", ())}
    return RpcError(
        code,
        body["message"],
        wrong or None,
        refused.code.upper() if code == REFUSED else "",
        {"code": refused.code, **_texts(body["details"])},
    )


def _texts(details: Mapping[str, Any]) -> dict[str, str]:
    """The details as texts, because the metadata of an ErrorInfo has no other values."""
    found: dict[str, str] = {}
    room = MOST_DETAILS
    for name, value in details.items():
        text = value if isinstance(value, str) else json.dumps(value)
        room -= len(text)
        if name != "errors" and room >= 0:
            found[name] = text
    return found
