"""Agents that speak A2A 0.3: requests of 1.0 in their shape, and their answers in that of 1.0."""

from collections.abc import Mapping
from typing import Any

from bot.protocols.a2a import states
from bot.protocols.a2a.legacy import METHODS, STATES

NAMES = {new: old for old, new in METHODS.items()}
OF_STATE = {old: new for new, old in STATES.items()}
# 0.3 has it, and 1.0 has not.
UNKNOWN = "unknown"


def request_to(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters in the shape of 0.3."""
    found = dict(params)
    if "message" in found:
        found["message"] = _message_to(found["message"])
    if "configuration" in found:
        now = found["configuration"].get("returnImmediately", False)
        found["configuration"] = {"blocking": not now}
    return found


def _message_to(message: Mapping[str, Any]) -> dict[str, Any]:
    role = message["role"].removeprefix("ROLE_").lower()
    parts = [_part_to(each) for each in message["parts"]]
    return {**message, "kind": "message", "role": role, "parts": parts}


def _part_to(part: Mapping[str, Any]) -> dict[str, Any]:
    if "text" in part:
        return {"kind": "text", "text": part["text"]}
    if "url" in part:
        file = {"uri": part["url"], "name": part["filename"], "mimeType": part["mediaType"]}
        return {"kind": "file", "file": file}
    return {"kind": "data", "data": part["data"]}


def answer_of(method: str, result: Any) -> Any:
    """The result in the shape of 1.0, as far as it has one. What is wrong stays wrong."""
    if not isinstance(result, dict):
        return result
    if method != "SendMessage":
        return _task_of(result)
    if result.get("kind") == "message":
        return {"message": _message_of(result)}
    return {"task": _task_of(result)}


def _task_of(task: dict[str, Any]) -> dict[str, Any]:
    found = dict(task)
    if isinstance(status := found.get("status"), dict):
        state = status.get("state")
        message = status.get("message")
        found["status"] = {
            **status,
            "state": _state_of(state) if isinstance(state, str) else state,
            "message": _message_of(message) if isinstance(message, dict) else None,
        }
    for name in ("artifacts", "history"):
        if isinstance(given := found.get(name), list):
            found[name] = [_message_of(each) for each in given if isinstance(each, dict)]
    return found


def _state_of(state: str) -> str:
    return states.WORKING if state == UNKNOWN else OF_STATE.get(state, state)


def _message_of(message: dict[str, Any]) -> dict[str, Any]:
    """A message or an artifact: what they share are parts."""
    parts = message.get("parts")
    if not isinstance(parts, list):
        return message
    return {**message, "parts": [_part_of(each) for each in parts if isinstance(each, dict)]}


def _part_of(part: dict[str, Any]) -> dict[str, Any]:
    match part:
        case {"file": {"uri": str(uri)} as file}:
            return {"url": uri, "filename": file.get("name")}
        case {"file": {"bytes": str(content)} as file}:
            return {"raw": content, "filename": file.get("name"), "mediaType": file.get("mimeType")}
    return part
