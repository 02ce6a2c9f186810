"""A2A 0.3: its method names and its shapes, translated to and from 1.0."""

from collections.abc import Mapping
from typing import Any

from bot.protocols.a2a import errors, states
from bot.protocols.a2a.errors import RpcError
from bot.protocols.a2a.requests import Rpc
from bot.protocols.a2a.tasks import Values

METHODS = {
    "message/send": "SendMessage",
    "message/stream": "SendStreamingMessage",
    "tasks/get": "GetTask",
    "tasks/cancel": "CancelTask",
    "tasks/resubscribe": "SubscribeToTask",
    "agent/getAuthenticatedExtendedCard": "GetExtendedAgentCard",
    "tasks/pushNotificationConfig/set": "CreateTaskPushNotificationConfig",
    "tasks/pushNotificationConfig/get": "GetTaskPushNotificationConfig",
    "tasks/pushNotificationConfig/list": "ListTaskPushNotificationConfigs",
    "tasks/pushNotificationConfig/delete": "DeleteTaskPushNotificationConfig",
}
ROLES = {"user": "ROLE_USER", "agent": "ROLE_AGENT"}
STATES = {each: each.removeprefix("TASK_STATE_").lower().replace("_", "-") for each in states.ALL}
SCHEMES = {"httpAuthSecurityScheme": "http", "oauth2SecurityScheme": "oauth2"}


def to_latest(call: Rpc) -> Rpc:
    """The same request in 1.0. Raise RpcError for a method that 0.3 does not have."""
    method = METHODS.get(call.method)
    if method is None:
        raise RpcError(
            errors.NO_METHOD,
            f"0.3 has no method {call.method[:50]!r}. It has {', '.join(METHODS)}.",
        )
    params = call.params
    if isinstance(params, dict) and isinstance(params.get("message"), dict):
        params = {**params, "message": _message_in(params["message"])}
    if isinstance(params, dict) and isinstance(params.get("configuration"), dict):
        params = {**params, "configuration": _configuration_in(params["configuration"])}
    return call.model_copy(update={"method": method, "params": params})


def _message_in(given: Mapping[str, Any]) -> Values:
    parts = given.get("parts")
    role = given.get("role")
    return {
        **given,
        "role": ROLES.get(role, role) if isinstance(role, str) else role,
        "parts": [_part_in(each) for each in parts] if isinstance(parts, list) else parts,
    }


def _part_in(given: Any) -> Any:
    """`kind` says which of text, file and data a part is, and a file has its own object."""
    if not isinstance(given, dict) or not isinstance(file := given.get("file"), dict):
        return given
    names = {"bytes": "raw", "uri": "url", "name": "filename", "mimeType": "mediaType"}
    return {names[name]: value for name, value in file.items() if name in names}


def _configuration_in(given: Mapping[str, Any]) -> Values:
    """`blocking` is the opposite of what 1.0 has, and missing it means not to wait."""
    found = dict(given)
    found["returnImmediately"] = not found.pop("blocking", False)
    if "pushNotificationConfig" in found:
        found["taskPushNotificationConfig"] = found.pop("pushNotificationConfig")
    return found


def of_result(method: str, result: Values) -> Values:
    """A result or an update of 1.0 in the shape of 0.3. `method`: by its name in 0.3."""
    if method == "agent/getAuthenticatedExtendedCard":
        return card_for_both(result)
    if "statusUpdate" in result:
        update = result["statusUpdate"]
        status = _status_out(update["status"])
        final = update["status"]["state"] in states.TERMINAL | states.INTERRUPTED
        return {**update, "kind": "status-update", "status": status, "final": final}
    if "artifactUpdate" in result:
        update = result["artifactUpdate"]
        artifact = _with_parts(update["artifact"])
        return {**update, "kind": "artifact-update", "artifact": artifact}
    if "message" in result:
        return _message_out(result["message"])
    return _task_out(result.get("task", result))


def _task_out(task: Values) -> Values:
    found = {**task, "kind": "task", "status": _status_out(task["status"])}
    if "history" in task:
        found["history"] = [_message_out(each) for each in task["history"]]
    if "artifacts" in task:
        found["artifacts"] = [_with_parts(each) for each in task["artifacts"]]
    return found


def _status_out(status: Values) -> Values:
    found = {**status, "state": STATES[status["state"]]}
    if "message" in status:
        found["message"] = _message_out(status["message"])
    return found


def _message_out(message: Values) -> Values:
    role = message["role"].removeprefix("ROLE_").lower()
    return {**_with_parts(message), "kind": "message", "role": role}


def _with_parts(given: Values) -> Values:
    return {**given, "parts": [_part_out(each) for each in given["parts"]]}


def _part_out(part: Values) -> Values:
    if "text" in part:
        return {"kind": "text", "text": part["text"]}
    if "url" in part:
        names = {"url": "uri", "filename": "name", "mediaType": "mimeType"}
        return {"kind": "file", "file": {names[name]: value for name, value in part.items()}}
    return {"kind": "data", "data": part["data"]}


def card_for_both(card: Values) -> Values:
    """The card with the fields by which clients of 0.3 find the endpoint and the token."""
    schemes = {
        name: {**each, **_scheme_out(each)} for name, each in card["securitySchemes"].items()
    }
    return {
        **card,
        "url": card["supportedInterfaces"][0]["url"],
        "preferredTransport": "JSONRPC",
        "protocolVersion": "0.3.0",
        "supportsAuthenticatedExtendedCard": True,
        "securitySchemes": schemes,
        "security": [
            {name: each["list"] for name, each in one["schemes"].items()}
            for one in card["securityRequirements"]
        ],
    }


def _scheme_out(scheme: Values) -> Values:
    ((kind, fields),) = scheme.items()
    return {**fields, "type": SCHEMES[kind]}
