"""One tool of another server: its proposed change, its policy, and a bench to try it."""

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from bot.errors import Refused
from bot.kernel.sentences import shorten
from bot.kernel.untrusted_text import visible
from webhooks.page import form_tokens, graph_layout, workflow_drawing
from webhooks.page.action_table import Field
from webhooks.page.actions import KEY, read_fields
from webhooks.page.visit import Visit
from webhooks.page.workflow_drawing import LineKind, Node, Picture

# Begins the name of a field, so that no argument of a tool has the name of another field.
ARGUMENT = "argument."
MOST_FIELDS, LONGEST_HINT = 60, 160


async def tool(visit: Visit) -> dict[str, Any]:
    return await _values(visit, {}, None)


async def try_tool(visit: Visit) -> dict[str, Any]:
    """Call the tool with what the person filled in, once for the form. Raise Refused."""
    sent = await read_fields(visit.request)
    name, key = visit.part("tool"), sent.get("key", "")
    if not KEY.fullmatch(key) or not form_tokens.is_valid(
        visit, sent.get("token", ""), "call_tool", {"tool": name}, key, ""
    ):
        raise Refused(
            "bad_request",
            "This form is not from this login, or it is older than 15 minutes. Nothing was sent: "
            "open the page of the tool again.",
        )
    texts = {
        field.removeprefix(ARGUMENT): text
        for field, text in sent.items()
        if field.startswith(ARGUMENT) and text
    }
    began = time.monotonic()
    result: dict[str, Any] = {"problem": ""}
    try:
        given = {"tool": name, "arguments": texts}
        result["answer"] = await visit.run("call_tool", given, key, None)
    except Refused as exc:
        result["problem"] = exc.message
        listed = exc.details.get("errors") or []
        result["wrong"] = {str(each["argument"]): str(each["problem"]) for each in listed}
    result["seconds"] = round(time.monotonic() - began, 3)
    return await _values(visit, texts, result)


async def _values(
    visit: Visit, texts: Mapping[str, str], result: dict[str, Any] | None
) -> dict[str, Any]:
    name, key = visit.part("tool"), secrets.token_hex(16)
    found = await visit.call("get_tool", tool=name)
    token = form_tokens.new_token(visit, "call_tool", {"tool": found.name}, key, "")
    return {
        "title": found.name,
        "found": found,
        "policy": found.policy.model_dump(mode="json"),
        "fields": _fields(found.input_schema),
        "texts": texts,
        "result": result,
        "wrong": result.get("wrong", {}) if result else {},
        "hidden": {"token": token, "key": key},
        "picture": _picture(visit, found.steps),
        "width": graph_layout.WIDTH,
        "height": graph_layout.HEIGHT,
    }


def _picture(visit: Visit, steps: Sequence[Any]) -> Picture:
    """The calls of a composed tool. Each leads to the page of its tool."""
    places = {each.id: n for n, each in enumerate(steps)}
    edges: dict[graph_layout.Edge, LineKind] = {
        (places[each], n): "need" for n, step in enumerate(steps) for each in step.after
    }
    nodes = [
        Node(
            place=n,
            name=each.id,
            title=each.call,
            word="if" if each.conditions else "",
            state="",
            link=visit.link(f"tools/{each.call}"),
        )
        for n, each in enumerate(steps)
    ]
    return workflow_drawing.draw(nodes, edges)


def _fields(schema: dict[str, Any]) -> list[Field]:
    """A field for each argument, by the schema of the server."""
    properties, required = schema.get("properties"), schema.get("required")
    known = properties if isinstance(properties, dict) else {}
    needed = required if isinstance(required, list) else []
    return [
        _field(name, each if isinstance(each, dict) else {}, required=name in needed)
        for name, each in list(known.items())[:MOST_FIELDS]
    ]


def _field(name: str, schema: dict[str, Any], *, required: bool) -> Field:
    kind, choices = schema.get("type"), schema.get("enum")
    words = visible(str(schema.get("description") or ""))
    hint = shorten(" ".join(words.split()), LONGEST_HINT)
    if kind in ("object", "array"):
        hint = f"{hint} (JSON)".strip()
    label = f"{name}: {hint}" if hint else name
    full = f"{ARGUMENT}{name}"
    if kind == "boolean":
        return Field(full, label, "choice", ("", "true", "false"), required=required)
    if isinstance(choices, list) and all(isinstance(each, str) for each in choices):
        return Field(full, label, "choice", ("", *choices[:100]), required=required)
    return Field(full, label, "text" if kind in ("object", "array") else "line", (), required)
