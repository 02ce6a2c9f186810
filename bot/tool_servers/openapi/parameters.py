"""The parameters of an operation, by the document."""

import re
from collections.abc import Iterable
from itertools import count

from bot.tool_servers.openapi.document_text import WrongDocument, one_line
from bot.tool_servers.openapi.manifest import BODY, PAGES, In, Parameter, Style
from bot.tool_servers.openapi.references import Document, Node, follow
from bot.tool_servers.openapi.service import Operation

MOST = 200
# OpenAPI says that a description of these headers has no effect.
IGNORED_HEADERS = frozenset({"accept", "content-type", "authorization"})
# Headers that belong to the connection, or that a credential may have.
REFUSED_HEADERS = frozenset(
    {
        *("connection", "content-encoding", "content-length", "cookie", "expect", "host"),
        *("keep-alive", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"),
    }
)
STYLES: dict[In, tuple[Style, ...]] = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
PLACES: dict[str, In] = {"path": "path", "query": "query", "header": "header", "cookie": "cookie"}
# What models may call an argument.
UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
LONGEST_ARGUMENT = 64
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
IN_PATH = re.compile(r"\{([^{}]*)\}")


class Unsupported(Exception):
    """The operation cannot be a tool. The text says why."""


def parameter_nodes(document: Document, operation: Operation) -> list[Node]:
    """The operation's parameters, and those of its path that it does not define itself."""
    found: dict[tuple[str, str], Node] = {}
    for owner in (operation.shared, operation.node):
        nodes = owner.list_of("parameters")
        if len(nodes) > MOST:
            raise WrongDocument((*owner.place, "parameters"), f"has more than {MOST} entries")
        for each in nodes:
            node = follow(document, each)
            place, name = node.text("in"), node.text("name")
            if not name:
                raise WrongDocument((*node.place, "name"), "is missing")
            if not (place == "header" and name.lower() in IGNORED_HEADERS):
                found[place, name] = node
    return list(found.values())


def parameters(nodes: Iterable[Node]) -> list[tuple[Parameter, Node]]:
    """Each parameter with its node."""
    used = {BODY, PAGES}
    made = []
    for node in nodes:
        place = _place(node)
        argument = _argument(node.text("name"), place, used)
        used.add(argument)
        made.append((_parameter(node, place, argument), node))
    return made


def _place(node: Node) -> In:
    if (given := node.text("in")) in PLACES:
        return PLACES[given]
    if given == "querystring":
        raise Unsupported("a parameter is the whole query")
    raise WrongDocument((*node.place, "in"), "must be path, query, header or cookie")


def _argument(name: str, place: In, used: set[str]) -> str:
    safe = UNSAFE.sub("_", name).strip("_")[:LONGEST_ARGUMENT] or place
    if safe in used:
        safe = f"{safe[: LONGEST_ARGUMENT - 12]}_{place}"
    names = (safe if n == 1 else f"{safe}_{n}" for n in count(1))
    return next(each for each in names if each not in used)


def _parameter(node: Node, place: In, argument: str) -> Parameter:
    name = node.text("name")
    if place == "header":
        _check_header(name)
    if place == "cookie" and not HEADER_NAME.fullmatch(name):
        raise Unsupported(f"the cookie {one_line(name)!r} has a wrong name")
    style = _style(node, place)
    explode = node.flag("explode")
    return Parameter(
        argument=argument,
        name=name,
        place=place,
        style=style,
        explode=style in ("form", "deepObject") if explode is None else explode,
        allow_reserved=place == "query" and node.flag("allowReserved") is True,
    )


def _check_header(name: str) -> None:
    if not HEADER_NAME.fullmatch(name) or name.lower() in REFUSED_HEADERS:
        raise Unsupported(f"the header {one_line(name)!r} cannot be a parameter")


def _style(node: Node, place: In) -> Style:
    if node.get("content"):
        return _content_style(node)
    given = node.text("style")
    known = STYLES[place]
    for each in known:
        if not given or given == each:
            return each
    reason = f"is {one_line(given)!r}; a {place} parameter can have {', '.join(known)}"
    raise WrongDocument((*node.place, "style"), reason)


def _content_style(node: Node) -> Style:
    content = node.get("content")
    kinds = list(content.object()) if content else []
    if len(kinds) == 1 and kinds[0].split(";")[0].strip().endswith("json"):
        return "json"
    raise Unsupported(f"the parameter {one_line(node.text('name'))!r} is not JSON")


def schema_node(node: Node) -> Node:
    """Where the schema of a parameter is. A parameter without one takes texts."""
    content = node.get("content")
    owner = content.items()[0][1] if content and content.object() else node
    return owner.get("schema") or Node({"type": "string"}, (*owner.place, "schema"))


def is_required(node: Node) -> bool:
    return node.text("in") == "path" or node.flag("required") is True


def check_path(operation: Operation, found: Iterable[Parameter]) -> None:
    """Each `{name}` of the path must have a parameter."""
    names = {each.name for each in found if each.place == "path"}
    for name in IN_PATH.findall(operation.path):
        if name not in names:
            reason = f"has no parameter for {{{one_line(name)}}} in its path"
            raise WrongDocument(operation.node.place, reason)
