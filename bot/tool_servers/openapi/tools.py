"""The operations of a service as tools: a name, words, hints, and one schema of all arguments."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import Any

from bot.tool_servers.connections import ToolSpec
from bot.tool_servers.openapi import bodies, parameters
from bot.tool_servers.openapi.document_text import WrongDocument, one_line
from bot.tool_servers.openapi.manifest import BODY, PAGES, Manifest, Parameter, Tool
from bot.tool_servers.openapi.options import Paging
from bot.tool_servers.openapi.parameters import Unsupported
from bot.tool_servers.openapi.references import Document, Node, follow
from bot.tool_servers.openapi.schemas import Budget, Schemas, arguments_schema
from bot.tool_servers.openapi.service import Choice, Operation, Service, own_server

MOST_TOOLS = 500
# Bytes of all tools, which are stored and read as one.
LARGEST = 4 * 1024 * 1024
LONGEST_NAME, LONGEST_PATH = 56, 500
UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
SENTENCE_END = re.compile(r"(?<=[.!?])\s")
IDEMPOTENT = frozenset({"get", "put", "delete"})
# A POST adds something, unless its words say that it takes something away.
DESTRUCTIVE = re.compile(
    r"archive|cancel|clear|close|delete|destroy|disable|drop|erase|purge|refund|remove|reset|"
    r"revoke|terminate|uninstall|wipe",
    re.IGNORECASE,
)
# Names of parameters by which lists are divided into pages.
PAGED = frozenset({"page", "per_page", "limit", "offset", "cursor", "after", "starting_after"})


@dataclass(frozen=True)
class Given:
    """What is known of a service beside its document.

    `held`: places and names of the credential, which are no arguments.
    """

    paging: Paging | None = None
    held: frozenset[tuple[str, str]] = frozenset()


def tools_of(service: Service, choice: Choice, given: Given | None = None) -> list[ToolSpec]:
    """The chosen operations as tools. Raise WrongDocument."""
    return [each.spec() for each in manifest_of(service, choice, given).tools]


def manifest_of(
    service: Service, choice: Choice, given: Given | None = None, budget: Budget | None = None
) -> Manifest:
    """What is stored of a service. Raise WrongDocument, also if nothing is chosen."""
    chosen = _operations(service, choice)
    budget = budget or Budget()
    tools, skipped = dict[str, Tool](), list[str]()
    for operation in chosen:
        try:
            name = _name(operation, tools)
            tools[name] = _tool(service, operation, name, budget, given or Given())
        except Unsupported as exc:
            skipped.append(f"{operation.label}: {exc}")
    if not tools:
        reasons = one_line("; ".join(skipped), 500)
        raise WrongDocument(("paths",), f"none of the operations can be a tool: {reasons}")
    made = Manifest(
        title=service.title,
        version=service.version,
        base_url=service.base_url,
        tools=tuple(tools.values()),
        skipped=tuple(skipped),
    )
    text = made.model_dump_json()
    if len(text) > LARGEST:
        reason = f"{len(tools)} tools take {len(text)} bytes; the limit is {LARGEST}. "
        raise WrongDocument(("paths",), reason + "Choose fewer operations")
    return made.model_copy(update={"digest": sha256(text.encode()).hexdigest()})


def _operations(service: Service, choice: Choice) -> list[Operation]:
    found = [each for each in service.operations if choice.covers(each)]
    known = {name for each in service.operations for name in (each.name, each.label)}
    for name in choice.operations:
        if name not in known:
            raise WrongDocument(("paths",), f"has no operation {one_line(name)!r}")
    if not found:
        raise WrongDocument(("paths",), "has no operation that matches the choice")
    if len(found) > MOST_TOOLS:
        reason = f"has {len(found)} such operations; at most {MOST_TOOLS} can be tools. "
        raise WrongDocument(("paths",), reason + "Choose by operation, tag or method")
    return found


def _name(operation: Operation, used: dict[str, Tool]) -> str:
    safe = UNSAFE.sub("_", operation.name or f"{operation.method}_{operation.path}")
    safe = re.sub("__+", "_", safe).strip("_-") or operation.method
    if len(safe) > LONGEST_NAME:
        mark = sha256(safe.encode()).hexdigest()[:6]
        safe = f"{safe[: LONGEST_NAME - 7].rstrip('_-')}_{mark}"
    names = (safe if n == 1 else f"{safe}_{n}" for n in count(1))
    return next(each for each in names if each not in used)


def _tool(service: Service, operation: Operation, name: str, budget: Budget, given: Given) -> Tool:
    if own_server(operation):
        raise Unsupported("it is on a server of its own")
    if len(operation.path) > LONGEST_PATH:
        raise Unsupported("its path is too long")
    document = service.document
    nodes = parameters.parameter_nodes(document, operation)
    found = parameters.parameters([each for each in nodes if _key(each) not in given.held])
    parameters.check_path(operation, [each for each, _ in found])
    body = bodies.body_of(document, operation.node)
    has_pages = _has_pages(operation, found, given.paging)
    build = _builder(found, body and (body[1], body[2]), has_pages=has_pages)
    schema = arguments_schema(document, service.dialect, budget, build)
    if schema is None:
        raise Unsupported("the schema of its arguments is too large")
    summary = one_line(operation.node.text("summary"), 100)
    words = f"{operation.name} {operation.path} {summary}"
    is_safe = operation.method == "get"
    return Tool(
        name=name,
        title=summary,
        description=_description(operation, summary),
        method=operation.method.upper(),
        path=operation.path,
        parameters=tuple(each for each, _ in found),
        body=body[0] if body else None,
        accept=_accept(document, operation.node),
        input_schema=schema,
        read_only=is_safe,
        idempotent=operation.method in IDEMPOTENT,
        destructive=not is_safe and (operation.method != "post" or bool(DESTRUCTIVE.search(words))),
    )


def _key(node: Node) -> tuple[str, str]:
    """The place and the name of a parameter, as `Given.held` has them."""
    place, name = node.text("in"), node.text("name")
    return place, name.lower() if place == "header" else name


def _has_pages(
    operation: Operation, found: list[tuple[Parameter, Node]], paging: Paging | None
) -> bool:
    """Whether the operation gives a list in pages."""
    if paging is None or operation.method != "get":
        return False
    names = {each.name for each, _ in found if each.place == "query"}
    return paging.parameter in names if paging.parameter else not PAGED.isdisjoint(names)


def _description(operation: Operation, summary: str) -> str:
    """The summary, the first sentence, and the method with the path."""
    longer = one_line(operation.node.text("description"), 600)
    first = one_line(SENTENCE_END.split(longer, 1)[0], 300)
    parts = [summary, first if first.rstrip(".") != summary.rstrip(".") else ""]
    if operation.node.flag("deprecated"):
        parts.insert(0, "Deprecated")
    words = "".join(f"{each.rstrip('.')}. " for each in parts if each)
    # With it, a document that leads a call elsewhere changes what people accepted.
    return f"{words}({operation.method.upper()} {operation.path})"


def _accept(document: Document, operation: Node) -> str:
    """What the operation answers with when it succeeds, JSON first."""
    responses = operation.get("responses")
    kinds: list[str] = []
    for status, given in responses.items() if responses else ():
        if status.startswith("2") and (content := follow(document, given).get("content")):
            kinds += [each for each in content.object() if bodies.CONTENT_TYPE.fullmatch(each)]
    kinds = sorted(dict.fromkeys(kinds), key=lambda each: "json" not in each)
    return ", ".join([*kinds[:5], "*/*;q=0.1"]) if kinds else "application/json, */*;q=0.5"


def _builder(
    found: list[tuple[Parameter, Node]], body: tuple[Node, bool] | None, *, has_pages: bool
) -> Callable[[Schemas], dict[str, Any]]:
    """How the schema of all arguments is put together."""

    def build(schemas: Schemas) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        for parameter, node in found:
            properties[parameter.argument] = _argument(schemas, node)
        required = [each.argument for each, node in found if parameters.is_required(node)]
        if body:
            media, is_required = body
            schema = media.get("schema")
            properties[BODY] = schemas.of(schema) if schema else {}
            required += [BODY] if is_required else []
        if has_pages:
            properties[PAGES] = _PAGES
        made = {"type": "object", "properties": properties, "additionalProperties": False}
        return made | ({"required": required} if required else {})

    return build


_PAGES: dict[str, Any] = {
    "type": "integer",
    "minimum": 1,
    "maximum": 20,
    "description": "How many pages of results to join; 1 if absent.",
}


def _argument(schemas: Schemas, node: Node) -> Any:
    schema = schemas.of(parameters.schema_node(node))
    beside: dict[str, Any] = {**schemas.text(node)}
    if node.flag("deprecated"):
        beside |= {"deprecated": True}
    return schema | beside if isinstance(schema, dict) else beside
