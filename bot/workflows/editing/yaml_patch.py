"""Changes a value of a YAML text, and leaves every other character as it is.

A round trip through a YAML library changes lines that nobody edited: its indentation, its spaces
between brackets, the width of its lines. So the text is cut at the positions of its nodes.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bot.workflows.editing import yaml_nodes, yaml_writing
from bot.workflows.editing.yaml_nodes import NotEditable, Path, end, line_end, line_start, start
from bot.workflows.editing.yaml_writing import STEP, Value

# A part of the text, and what stands there instead.
Cut: TypeAlias = tuple[int, int, str]


def replace_all(text: str, values: Mapping[Path, Value]) -> str:
    """Replace values that exist, each at its path."""
    root = yaml_nodes.compose(text)
    return with_cuts(text, [_replacing(text, root, path, each) for path, each in values.items()])


def set_key(text: str, path: Path, key: str, value: Value, order: Sequence[str] = ()) -> str:
    """Set a key of the mapping at the path. A new one takes its place in this order of keys."""
    found = _mapping(yaml_nodes.compose(text), path, text)
    if found is None:
        return _first_key(text, key, value)
    if any(name.value == key for name, _ in yaml_nodes.entries(found)):
        return replace_all(text, {(*path, key): value})
    return with_cuts(text, [_new_key(text, found, key, value, order)])


def remove_key(text: str, path: Path, key: str) -> str:
    """Remove a key of the mapping at the path, which has others."""
    found = _mapping(yaml_nodes.compose(text), path, text)
    assert found is not None
    name, value = yaml_nodes.entry(found, key)
    spans = [(start(each), end(text, below)) for each, below in yaml_nodes.entries(found)]
    n = [each.value for each, _ in yaml_nodes.entries(found)].index(key)
    if found.flow_style:
        return with_cuts(text, [_without(spans, n)])
    first, last = start(name), end(text, value)
    if text[line_start(text, first) : first].strip():
        return with_cuts(text, [_first_of_item(text, spans, n)])
    return with_cuts(text, [(line_start(text, first), yaml_nodes.after_line(text, last), "")])


def insert_item(text: str, path: Path, after: int, value: Value) -> str:
    """Add an item to the list at the path, after the item with this number; -1: as the first."""
    found = yaml_nodes.find(yaml_nodes.compose(text), path)
    if not isinstance(found, SequenceNode):
        raise NotEditable(path)
    if found.flow_style and found.value:
        return with_cuts(text, [_new_between_brackets(text, found.value, after, value)])
    if found.flow_style:
        return with_cuts(text, [_replacing(text, yaml_nodes.compose(text), path, [value])])
    return with_cuts(text, [_new_item(text, found, after, value)])


def remove_item(text: str, path: Path, n: int) -> str:
    """Remove an item of the list at the path, which has others."""
    found = yaml_nodes.find(yaml_nodes.compose(text), path)
    if not isinstance(found, SequenceNode):
        raise NotEditable(path)
    if found.flow_style:
        spans = [(start(each), end(text, each)) for each in found.value]
        return with_cuts(text, [_without(spans, n)])
    first = line_start(text, start(found.value[n]))
    last = yaml_nodes.after_line(text, end(text, found.value[n]))
    return with_cuts(text, [(_dash_line(text, first), _with_blank_line(text, first, last), "")])


def with_cuts(text: str, cuts: Sequence[Cut]) -> str:
    """Put something else in the place of parts of the text, which do not overlap."""
    for first, last, new in sorted(cuts, reverse=True):
        text = text[:first] + new + text[last:]
    return text


def _mapping(root: MappingNode | None, path: Path, text: str) -> MappingNode | None:
    """None for a file without content."""
    if not path and (root is None or not text[start(root) : end(text, root)]):
        return None
    found = yaml_nodes.find(root, path)
    if not isinstance(found, MappingNode) or not (found.value or found.flow_style):
        raise NotEditable(path)
    return found


def _first_key(text: str, key: str, value: Value) -> str:
    before = text if not text or text.endswith("\n") else f"{text}\n"
    return before + "\n".join(_lines(key, value, 0)) + "\n"


# --- A value in the place of another one ---------------------------------------------------------


def _replacing(text: str, root: MappingNode | None, path: Path, value: Value) -> Cut:
    old, parent = yaml_nodes.find(root, path), yaml_nodes.find(root, path[:-1])
    style = old.style if isinstance(old, ScalarNode) else None
    is_old_block = style in ("|", ">") or not _is_inline(old)
    in_flow = yaml_nodes.is_flow(parent)
    if not in_flow and isinstance(parent, MappingNode):
        key, _ = yaml_nodes.entry(parent, str(path[-1]))
        if is_old_block or _takes_lines(value):
            return _whole_value(text, key, old, value)
        at = yaml_nodes.after_colon(text, key)
        gap = "" if text[at : start(old)].strip(" ") == "" and start(old) > at else " "
        return start(old), end(text, old), gap + yaml_writing.inline(value, style=style)
    if is_old_block:
        raise NotEditable(path)
    return start(old), end(text, old), yaml_writing.inline(value, style=style, in_flow=in_flow)


def _is_inline(node: Node) -> bool:
    return isinstance(node, ScalarNode) or yaml_nodes.is_flow(node)


def _takes_lines(value: Value) -> bool:
    return yaml_writing.is_literal(value) or _is_list_of_mappings(value)


def _is_list_of_mappings(value: Value) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)


def _whole_value(text: str, key: ScalarNode, old: Node, value: Value) -> Cut:
    """All that stands after the colon of a key, but not the comment beside it."""
    at, last = yaml_nodes.after_colon(text, key), end(text, old)
    comment = _comment_beside(text, at, start(old), last, old)
    if comment and text[last : line_end(text, last)].strip():
        last = line_end(text, last)
    indent = yaml_nodes.column(text, start(key))
    was_literal = isinstance(old, ScalarNode) and old.style in ("|", ">")
    first, *rest = _lines(key.value, value, indent, literal=was_literal)
    shown = first[first.index(":", indent + len(yaml_writing.inline(key.value))) + 1 :]
    return at, last, "\n".join([shown + comment, *rest])


def _comment_beside(text: str, at: int, first: int, last: int, old: Node) -> str:
    """The comment in the line of the key."""
    if isinstance(old, ScalarNode) and old.style in ("|", ">"):
        line = text[first : line_end(text, first)]
    elif _is_inline(old):
        line = text[last : line_end(text, last)]
    else:
        line = text[at : line_end(text, at)]
    _, mark, comment = line.partition(" #")
    return f"  #{comment.rstrip()}" if mark else ""


def _lines(key: str, value: Value, indent: int, *, literal: bool = False) -> list[str]:
    start_of_line = f"{' ' * indent}{yaml_writing.inline(key)}:"
    if _is_list_of_mappings(value):
        dash = indent + STEP
        items = (yaml_writing.item_lines(each, dash, dash + STEP) for each in value)
        return [start_of_line, *(line for each in items for line in each)]
    if literal and isinstance(value, str) and yaml_writing.can_be_literal(value):
        header = yaml_writing.literal_header(value)
        return [f"{start_of_line} {header}", *yaml_writing.literal_lines(value, indent + STEP)]
    return yaml_writing.entry_lines(key, value, indent)


# --- Keys ----------------------------------------------------------------------------------------


def _new_key(text: str, found: MappingNode, key: str, value: Value, order: Sequence[str]) -> Cut:
    some = yaml_nodes.entries(found)
    if found.flow_style:
        # What is plain in a block may need quotes between braces.
        name, shown = (yaml_writing.inline(each, in_flow=True) for each in (key, value))
        between = f"{name}: {shown}"
        if not some:
            return start(found) + 1, start(found) + 1, between
        at = end(text, some[-1][1])
        return at, at, f", {between}"
    before = _predecessor([name.value for name, _ in some], key, order)
    indent = yaml_nodes.column(text, start(some[0][0]))
    return _after(text, end(text, some[before][1]), _lines(key, value, indent))


def _predecessor(keys: Sequence[str], key: str, order: Sequence[str]) -> int:
    """The number of the key that a new one comes after."""
    if key not in order:
        return len(keys) - 1
    earlier = order[: order.index(key)]
    return max((n for n, each in enumerate(keys) if each in earlier), default=0)


def _after(text: str, at: int, lines: Sequence[str]) -> Cut:
    """New lines below the line of a position."""
    here = yaml_nodes.after_line(text, at)
    start_of_text = "" if not here or text[here - 1] == "\n" else "\n"
    return here, here, start_of_text + "\n".join(lines) + "\n"


def _without(spans: Sequence[tuple[int, int]], n: int) -> Cut:
    """One of several entries between brackets, with its comma."""
    if n > 0:
        return spans[n - 1][1], spans[n][1], ""
    return spans[0][0], spans[1][0], ""


def _first_of_item(text: str, spans: Sequence[tuple[int, int]], n: int) -> Cut:
    """The key beside the dash of an item: the next key comes into its place."""
    if n + 1 >= len(spans) or "#" in text[spans[n][1] : spans[n + 1][0]]:
        raise NotEditable("the key beside the dash")
    return spans[n][0], spans[n + 1][0], ""


# --- Items ---------------------------------------------------------------------------------------


def _new_between_brackets(text: str, items: Sequence[Node], after: int, value: Value) -> Cut:
    new = yaml_writing.inline(value, in_flow=True)
    if after < 0:
        return start(items[0]), start(items[0]), f"{new}, "
    at = end(text, items[after])
    return at, at, f", {new}"


def _new_item(text: str, found: SequenceNode, after: int, value: Value) -> Cut:
    items: Sequence[Node] = found.value
    dash = yaml_nodes.column(text, start(found))
    lines = yaml_writing.item_lines(value, dash, yaml_nodes.column(text, start(items[0])))
    if after < 0:
        at = line_start(text, start(found))
        return at, at, "\n".join(lines) + "\n"
    return _after(text, end(text, items[after]), [*_gap(text, items, after), *lines])


def _gap(text: str, items: Sequence[Node], after: int) -> list[str]:
    """A blank line, if one stands between the items here."""
    pair = items[after : after + 2] if after + 1 < len(items) else items[after - 1 : after + 1]
    if len(pair) < 2:
        return []
    between = text[end(text, pair[0]) : line_start(text, start(pair[1]))]
    return [""] if any(not line.strip() for line in between.split("\n")[1:-1]) else []


def _dash_line(text: str, first: int) -> int:
    if text[first:].lstrip(" ")[:1] != "-":
        raise NotEditable("an item in the line of another one")
    return first


def _with_blank_line(text: str, first: int, last: int) -> int:
    """Also remove one blank line, if there were two now."""
    following = text[last : yaml_nodes.after_line(text, last)]
    is_blank_before = not text[line_start(text, first - 1) : first].strip() if first else True
    is_blank_after = bool(following) and not following.strip()
    return last + len(following) if is_blank_before and is_blank_after else last
