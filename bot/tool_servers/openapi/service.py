"""An OpenAPI document as a service: its base address, and its operations, of which some are chosen.

Only the frame is read here. Parameters, bodies and schemas are read for the operations that become
tools, so that a mistake elsewhere in a large document is in nobody's way.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import urljoin, urlsplit

from bot.tool_servers.openapi import document_text
from bot.tool_servers.openapi.document_text import WrongDocument, one_line
from bot.tool_servers.openapi.references import Document, Node, follow

Dialect: TypeAlias = Literal["3.0", "3.1"]

# HTTP's methods by their keys. HEAD, OPTIONS and TRACE are of no use as tools.
METHODS = ("get", "post", "put", "patch", "delete")
MOST_OPERATIONS = 3000
LONGEST_URL = 1000
VERSION = re.compile(r"3\.([0-9]+)(\.|$)")
VARIABLE = re.compile(r"\{([^{}]*)\}")
# A web address without a user's name, a query or a fragment.
BASE = re.compile(r"https?://[^\s/?#@\\\x00-\x20]+(/[^\s?#\\\x00-\x20]*)?")


@dataclass(frozen=True)
class Operation:
    """`name`: the document's `operationId`, or ''. `shared`: the node of its path."""

    method: str
    path: str
    name: str
    tags: tuple[str, ...]
    node: Node = field(repr=False)
    shared: Node = field(repr=False)

    @property
    def label(self) -> str:
        """For people, as in `GET /pets`."""
        return f"{self.method.upper()} {one_line(self.path)}"


@dataclass(frozen=True)
class Service:
    title: str
    version: str
    dialect: Dialect
    base_url: str
    operations: tuple[Operation, ...]
    document: Document = field(repr=False)


@dataclass(frozen=True)
class Choice:
    """Which operations become tools. Each filter that is set must match; none set means all.

    `operations`: `operationId`s, or `GET /pets`.
    """

    operations: Sequence[str] = ()
    tags: Sequence[str] = ()
    methods: Sequence[str] = ()

    def covers(self, operation: Operation) -> bool:
        names = {operation.name, operation.label} - {""}
        return (
            (not self.operations or not names.isdisjoint(self.operations))
            and (not self.tags or not set(self.tags).isdisjoint(operation.tags))
            and (not self.methods or operation.method in {each.lower() for each in self.methods})
        )


def read_service(document: bytes, base_url: str = "", address: str = "") -> Service:
    """The service that a document describes. Raise WrongDocument.

    `base_url`: where its paths begin; without one, the document's first server. `address`: where
    the document came from, for servers that are relative to it.
    """
    root = Document(document_text.parse(document), ())
    dialect = _dialect(root)
    info = root.get("info") or Node({}, ("info",))
    return Service(
        title=one_line(info.text("title")) or "OpenAPI service",
        version=one_line(info.text("version")),
        dialect=dialect,
        base_url=check_base(base_url or _first_server(root, address)),
        operations=_operations(root),
        document=root,
    )


def _dialect(root: Node) -> Dialect:
    if root.get("swagger"):
        raise WrongDocument(("swagger",), "is version 2. Convert the document to OpenAPI 3")
    given = root.text("openapi")
    if not given:
        raise WrongDocument((), "has no key `openapi`, so it is not an OpenAPI document")
    if not (match := VERSION.match(given)):
        raise WrongDocument(("openapi",), f"is {one_line(given)}; only 3.0 and 3.1 can be read")
    return "3.0" if match[1] == "0" else "3.1"


def check_base(url: str) -> str:
    """The base address without a slash at its end. Raise WrongDocument."""
    if len(url) > LONGEST_URL or not BASE.fullmatch(url):
        reason = "is no usable base address. Pass one such as https://api.example.com/v1"
        raise WrongDocument(("servers",), f"{one_line(url)!r} {reason}")
    try:
        _ = urlsplit(url).port
    except ValueError as exc:
        raise WrongDocument(("servers",), f"{one_line(url)!r} has a wrong port") from exc
    return url.rstrip("/")


def _first_server(root: Node, address: str) -> str:
    servers = root.list_of("servers")
    if not servers:
        raise WrongDocument(("servers",), "is missing. Pass the base address of the service")
    url = _server_url(servers[0])
    if "://" not in url and address:
        url = urljoin(address, url)
    if "://" not in url:
        place = (*servers[0].place, "url")
        raise WrongDocument(place, f"{one_line(url)!r} is relative. Pass the base address")
    return url


def _server_url(server: Node) -> str:
    variables = server.get("variables")

    def value(match: re.Match[str]) -> str:
        variable = variables.get(match[1]) if variables else None
        if variable is None or not (default := variable.text("default")):
            reason = f"has the variable {one_line(match[0])} without a default. "
            raise WrongDocument((*server.place, "url"), reason + "Pass the base address")
        return default

    return VARIABLE.sub(value, server.text("url")[:LONGEST_URL])


def own_server(operation: Operation) -> bool:
    """Whether the operation or its path is on other servers than the rest."""
    return any(node.get("servers") for node in (operation.node, operation.shared))


def _operations(root: Document) -> tuple[Operation, ...]:
    paths = root.get("paths")
    found = [
        operation
        for path, node in (paths.items() if paths else ())
        if not path.startswith("x-")
        for operation in _of_path(path, follow(root, node))
    ]
    if len(found) > MOST_OPERATIONS:
        reason = f"has {len(found)} operations; the limit is {MOST_OPERATIONS}"
        raise WrongDocument(("paths",), reason)
    return tuple(found)


def _of_path(path: str, shared: Node) -> list[Operation]:
    if not path.startswith("/"):
        raise WrongDocument(shared.place, "must begin with a slash")
    return [
        Operation(
            method=method,
            path=path,
            name=node.text("operationId"),
            tags=node.texts("tags"),
            node=node,
            shared=shared,
        )
        for method in METHODS
        if (node := shared.get(method)) is not None
    ]
