"""`POST /api/v1/<operation>`: the operations, with a JSON object as arguments."""

import json
from functools import cache
from typing import Any

from aiohttp import web
from pydantic.json_schema import models_json_schema

from bot.errors import CODES, Refused
from bot.kernel.operation import Operation
from bot.operations import OPERATIONS
from webhooks.app_keys import ACTOR, DISPATCHER
from webhooks.bodies import BODIES
from webhooks.origins import caller_of

# The limit of /mcp too. A context of one megabyte fits, even if most of it is escaped.
LARGEST = 4 * 2**20
REFS = "#/components/schemas/{model}"


async def call(request: web.Request) -> web.Response:
    name = request.match_info["operation"]
    key = request.headers.get("Idempotency-Key")
    reply = await request.app[DISPATCHER].reply(
        request[ACTOR], name, await _arguments(request), key, caller_of(request)
    )
    return web.json_response(text=reply.json())


async def _arguments(request: web.Request) -> Any:
    body = await request.app[BODIES].read(request, LARGEST)
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError) as exc:
        raise Refused(
            "bad_request", f"The body is not JSON: {exc}. Send the arguments as a JSON object."
        ) from exc
    if not isinstance(given, dict):
        raise Refused("bad_request", "The body must be a JSON object with the arguments by name.")
    return given


async def openapi(_: web.Request) -> web.Response:
    return web.json_response(text=_document_text())


@cache
def _document_text() -> str:
    """Made once, because it takes long and anybody may ask for it."""
    return json.dumps(document())


def document() -> dict[str, Any]:
    """The OpenAPI description of the registry."""
    results = [(each.result, "serialization") for each in OPERATIONS.values()]
    _, schemas = models_json_schema(
        dict.fromkeys(results),  # type: ignore[arg-type]
        ref_template=REFS,
    )
    components = dict(schemas["$defs"]) | {"Error": ERROR}
    paths = {}
    for each in OPERATIONS.values():
        given = each.arguments.model_json_schema(ref_template=REFS)
        components |= given.pop("$defs", {})
        result = {"$ref": f"#/components/schemas/{each.result.__name__}"}
        paths[f"/api/v1/{each.name}"] = {
            "post": {
                "operationId": each.name,
                "tags": [_group(each)],
                "summary": each.description.partition(".")[0],
                "description": f"{each.description} Role: {each.role}.",
                "requestBody": {"content": {"application/json": {"schema": given}}},
                "responses": {
                    "200": {"description": "Done.", "content": _json(result)},
                    "default": {
                        "description": "Refused.",
                        "content": _json({"$ref": "#/components/schemas/Error"}),
                    },
                },
            }
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Hubbub", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _group(operation: Operation) -> str:
    """The part of the registry that it belongs to, as in docs/reference/operations.md."""
    return operation.run.__module__.removeprefix("bot.operations.").partition(".")[0]


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string", "enum": list(CODES)},
                "message": {"type": "string"},
                "details": {"type": "object"},
            },
        }
    },
}
