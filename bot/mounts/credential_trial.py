"""Tries the credential of an OpenAPI service: by a safe operation that needs no argument."""

from dataclasses import replace
from typing import Any

from bot.tool_servers.connections import ServerSpec, TextPart, ToolServers, Unavailable

TIMEOUT_S, MOST_BYTES = 10.0, 1_000_000
UNTRIED = (
    "The credential was not tried: the document has no chosen GET operation without required "
    "arguments."
)


async def note(servers: ToolServers, spec: ServerSpec) -> str | None:
    """What people should know of it, for a spec with its document. None: nothing is wrong."""
    if not (spec.headers or spec.query or spec.oauth):
        return None
    tool = _safe_tool(spec.document)
    if tool is None:
        return UNTRIED
    # By another name, so that no call uses what nobody has accepted yet.
    trial = replace(spec, server_id=f"{spec.server_id} trial")
    try:
        found = await servers.call_tool(trial, tool, {}, TIMEOUT_S, MOST_BYTES)
        text = " ".join(each.text for each in found.content if isinstance(each, TextPart))
        is_refused = found.is_error and "answered with status 403" in text
        status = 403 if is_refused else None
    except Unavailable as exc:
        if exc.kind != "unauthorized":
            return f"The credential was not tried: {tool} did not answer. {exc.text}"
        status = 401
    finally:
        await servers.drop(trial.installation_id, trial.server_id)
    if status is None:
        return None
    return (
        f"The service refused the credential: {tool} answered with status {status}. If other "
        "operations do so too, set another credential."
    )


def _safe_tool(document: Any) -> str | None:
    """The name of an operation that changes nothing and takes no argument."""
    for each in (document or {}).get("tools", ()):
        needs = each["input_schema"].get("required")
        if each["method"].upper() == "GET" and each["read_only"] and not needs:
            return str(each["name"])
    return None
