"""References (`$ref`) within one document."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from bot.tool_servers.openapi.document_text import Place, WrongDocument, one_line

# A reference may lead to a reference.
MOST_STEPS = 20


@dataclass(frozen=True)
class Node:
    """A value of the document, and where it is."""

    value: Any
    place: Place

    def object(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            raise WrongDocument(self.place, "must be an object")
        return self.value

    def get(self, key: str) -> "Node | None":
        """What is under a key. None if there is nothing."""
        found = self.object().get(key)
        return None if found is None else Node(found, (*self.place, key))

    def items(self) -> "list[tuple[str, Node]]":
        return [(key, Node(each, (*self.place, key))) for key, each in self.object().items()]

    def entries(self) -> "list[Node]":
        if not isinstance(self.value, list):
            raise WrongDocument(self.place, "must be a list")
        return [Node(each, (*self.place, str(n))) for n, each in enumerate(self.value)]

    def list_of(self, key: str) -> "list[Node]":
        """The list under a key, which may be absent."""
        found = self.get(key)
        return found.entries() if found else []

    def text(self, key: str) -> str:
        """The text under a key, or '' if it is absent."""
        found = self.object().get(key)
        if isinstance(found, dict | list):
            raise WrongDocument((*self.place, key), "must be a text")
        return "" if found is None else str(found)

    def texts(self, key: str) -> tuple[str, ...]:
        """The list of texts under a key, which may be absent."""
        found = self.list_of(key)
        for each in found:
            if not isinstance(each.value, str):
                raise WrongDocument(each.place, "must be a text")
        return tuple(each.value for each in found)

    def flag(self, key: str) -> bool | None:
        """True or false, or None if it is absent."""
        found = self.object().get(key)
        if found is not None and not isinstance(found, bool):
            raise WrongDocument((*self.place, key), "must be true or false")
        return found


@dataclass(frozen=True)
class Document(Node):
    """The whole. `known`: what references lead to, by their text."""

    known: dict[str, Node] = field(default_factory=dict, repr=False, compare=False)


def follow(document: Document, node: Node) -> Node:
    """What a reference leads to, or the node itself if it is none."""
    for _ in range(MOST_STEPS):
        ref = node.value.get("$ref") if isinstance(node.value, dict) else None
        if ref is None:
            return node
        node = at_pointer(document, ref, (*node.place, "$ref"))
    raise WrongDocument(node.place, "is a circle of references")


def at_pointer(document: Document, ref: Any, place: Place) -> Node:
    """The node at `#/components/…`."""
    if not isinstance(ref, str):
        raise WrongDocument(place, "must be a text")
    if ref in document.known:
        return document.known[ref]
    if not ref.startswith("#"):
        reason = "is outside of this document. Put all parts into one document"
        raise WrongDocument(place, f"{one_line(ref)} {reason}")
    if not ref.startswith("#/"):
        raise WrongDocument(place, f"{one_line(ref)} must begin with #/, as in #/components/…")
    found: Node = document
    for part in ref[2:].split("/"):
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        following = _child(found, name)
        if following is None:
            raise WrongDocument(place, f"{one_line(ref)} does not exist")
        found = following
    document.known[ref] = found
    return found


def _child(node: Node, name: str) -> Node | None:
    match node.value:
        case dict(values) if name in values:
            return Node(values[name], (*node.place, name))
        case list(values) if name.isdecimal() and len(name) < 8 and int(name) < len(values):
            return Node(values[int(name)], (*node.place, name))
    return None
