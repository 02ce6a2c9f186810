"""Where each value of a YAML text stands: positions of its nodes, without what follows them.

Texts come here only after the parser of files has read them, so there is no alias, no tag and no
deep nesting.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

# Keys of mappings and numbers of items, from the whole file inwards.
Path: TypeAlias = tuple[str | int, ...]
Entry: TypeAlias = tuple[ScalarNode, Node]
# libyaml is ten times as fast.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotEditable(Exception):
    """The layout at this place is one that only a person can edit."""


def compose(text: str) -> MappingNode | None:
    """The whole file. None if it is empty."""
    return cast("MappingNode | None", yaml.compose(text, Loader=LOADER))


def find(root: Node | None, path: Path) -> Node:
    """Raise NotEditable if there is nothing."""
    at = root
    for part in path:
        if isinstance(at, MappingNode):
            at = next((value for key, value in at.value if key.value == part), None)
        elif isinstance(at, SequenceNode) and isinstance(part, int) and part < len(at.value):
            at = at.value[part]
        else:
            at = None
    if at is None:
        raise NotEditable(path)
    return at


def entries(node: MappingNode) -> Sequence[Entry]:
    return cast("Sequence[Entry]", node.value)


def entry(node: MappingNode, key: str) -> Entry:
    for name, value in entries(node):
        if name.value == key:
            return name, value
    raise NotEditable(key)


def start(node: Node) -> int:
    return int(node.start_mark.index)


def column(text: str, at: int) -> int:
    return at - line_start(text, at)


def end(text: str, node: Node) -> int:
    """The end of what belongs to the node: no blank lines and no comments after it."""
    if isinstance(node, ScalarNode):
        return _end_of_scalar(text, node)
    if is_flow(node) or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return end(text, last[1] if isinstance(last, tuple) else last)


def is_flow(node: Node) -> bool:
    """Whether it is a list or mapping between brackets."""
    return isinstance(node, SequenceNode | MappingNode) and bool(node.flow_style)


def _end_of_scalar(text: str, node: ScalarNode) -> int:
    at = int(node.end_mark.index)
    if node.style not in ("|", ">"):
        return at
    # A block goes on to the next line with content, and may be followed by comments.
    header = text[start(node) : line_end(text, start(node))]
    kept = text[start(node) : at]
    if "+" in header.split("#")[0]:
        return start(node) + len(kept.removesuffix("\n"))
    return start(node) + len(kept.rstrip())


def line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def line_end(text: str, at: int) -> int:
    """The position of the line break, or the end of the text."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found


def after_line(text: str, at: int) -> int:
    """Where the next line begins."""
    return min(line_end(text, at) + 1, len(text))


def after_colon(text: str, key: ScalarNode) -> int:
    found = text.find(":", int(key.end_mark.index))
    if found < 0 or text[int(key.end_mark.index) : found].strip():
        raise NotEditable(key.value)
    return found + 1
