"""Adds to JSON files of clients without a change to the rest: comments, order and layout stay.

Several clients accept comments and a comma after the last element, so this does too.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(
    r"(?P<skip>[\s\ufeff]+|//[^\n]*|/\*[\s\S]*?\*/)"
    r'|(?P<string>"(?:[^"\\\n]|\\.)*")|(?P<mark>[{}\[\],:])|(?P<word>[-+.\w]+)'
)
DEEPEST = 100


class NotEditable(Exception):
    """The file is not JSON, or has something else where the addition belongs."""


@dataclass
class Node:
    """A value, and where its text stands. `members`: of an object. `items`: of an array."""

    value: Any
    start: int
    end: int
    members: "dict[str, Node]" = field(default_factory=dict)
    items: "list[Node]" = field(default_factory=list)
    # Where the text of each member or item begins.
    starts: list[int] = field(default_factory=list)

    @property
    def last_end(self) -> int | None:
        """Where the last member or item ends. None if there is none."""
        children = [*self.members.values(), *self.items]
        return max((each.end for each in children), default=None)


def parse(text: str) -> Node:
    """Raise NotEditable."""
    reader = _Reader(text)
    found = reader.value(0)
    if reader.kind:
        raise NotEditable(f"there is something behind the end, at {reader.at}")
    return found


def with_member(text: str, path: Sequence[str], value: Any) -> str:
    """The text with the value at a path of names. What stood there before is replaced."""
    if not text.strip("\ufeff \t\r\n"):
        return json.dumps(_nest(path, value), indent=2, ensure_ascii=False) + "\n"
    top, rest = parse(text), list(path)
    node = top
    while len(rest) > 1 and rest[0] in node.members:
        node = node.members[rest.pop(0)]
        _check_kind(node, dict)
    _check_kind(node, dict)
    expected = _merge(top.value, path, value)
    name, added = rest[0], _nest(rest[1:], value)
    if name in node.members:
        made = _replace(text, node.members[name], added)
    else:
        made = _insert(text, node, f"{json.dumps(name)}: ", added)
    return _check(made, expected)


def with_item(text: str, name: str, value: Any) -> str:
    """The text with one more item in the array of this name in the outermost object."""
    node = parse(text)
    if name not in node.members:
        return with_member(text, [name], [value])
    array = node.members[name]
    _check_kind(array, list)
    expected = {**node.value, name: [*array.value, value]}
    return _check(_insert(text, array, "", value), expected)


def _check_kind(node: Node, kind: type) -> None:
    if not isinstance(node.value, kind):
        word = "an object" if kind is dict else "an array"
        raise NotEditable(f"there is something else than {word} at {node.start}")


def _check(made: str, expected: Any) -> str:
    if parse(made).value != expected:
        raise NotEditable("the addition would change something else")
    return made


def _nest(path: Sequence[str], value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def _merge(held: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    name, *rest = path
    return {**held, name: _merge(held.get(name, {}), rest, value)}


def _replace(text: str, node: Node, value: Any) -> str:
    indent = _indent_at(text, node.start)
    return text[: node.start] + _dump(value, indent, _unit(text)) + text[node.end :]


def _insert(text: str, node: Node, label: str, value: Any) -> str:
    """Behind the last member or item; else between the brackets."""
    end, unit = node.last_end, _unit(text)
    line_end = "\r\n" if "\r\n" in text else "\n"
    if end is None:
        outer = _indent_at(text, node.start)
        inner = f"{line_end}{outer}{unit}{label}{_dump(value, outer + unit, unit)}"
        # A comment between the brackets stays.
        kept = text[node.start + 1 : node.end - 1].rstrip()
        close = f"{line_end}{outer}"
        return text[: node.start + 1] + kept + inner + close + text[node.end - 1 :]
    indent = _indent_at(text, node.starts[-1])
    if text.rfind("\n", 0, node.starts[-1]) < node.start:  # all of it in one line
        return f"{text[:end]}, {label}{json.dumps(value, ensure_ascii=False)}{text[end:]}"
    added = f",{line_end}{indent}{label}{_dump(value, indent, unit)}"
    return text[:end] + added + text[end:]


def _indent_at(text: str, at: int) -> str:
    """The white space at the beginning of the line."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(text: str) -> str:
    found = re.search(r"\n([ \t]+)\S", text)
    return found[1] if found else "  "


def _dump(value: Any, indent: str, unit: str) -> str:
    return json.dumps(value, indent=unit, ensure_ascii=False).replace("\n", f"\n{indent}")


class _Reader:
    """Reads one value after the other. The token at hand has no `kind` at the end of the text."""

    def __init__(self, text: str) -> None:
        self._source = text
        self._tokens = self._scan()
        self.at = self._end = 0
        self.kind = self.text = ""
        self._next()

    def value(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise NotEditable("it is nested too deeply")
        start = self.at
        if self._is("{"):
            return self._object(start, depth)
        if self._is("["):
            return self._array(start, depth)
        if self.kind not in ("string", "word"):
            raise NotEditable(f"a value is missing at {start}")
        return Node(self._scalar(), start, self._take_token())

    def _object(self, start: int, depth: int) -> Node:
        made = Node({}, start, start)
        for at in self._elements("}"):
            if self.kind != "string":
                raise NotEditable(f"a name is missing at {at}")
            name = self._scalar()
            self._take_token()
            self._take(":")
            if name in made.members:
                raise NotEditable(f"{name!r} stands twice in one object")
            made.members[name] = found = self.value(depth + 1)
            made.value[name] = found.value
            made.starts.append(at)
        made.end = self._take_token()
        return made

    def _array(self, start: int, depth: int) -> Node:
        made = Node([], start, start)
        for at in self._elements("]"):
            made.items.append(found := self.value(depth + 1))
            made.value.append(found.value)
            made.starts.append(at)
        made.end = self._take_token()
        return made

    def _elements(self, close: str) -> Iterator[int]:
        """Where each element begins, up to the closing bracket."""
        self._take_token()
        while not self._is(close):
            yield self.at
            if not self._is(close):
                self._take(",")

    def _scalar(self) -> Any:
        try:
            return json.loads(self.text)
        except ValueError as exc:
            raise NotEditable(f"{self.text[:20]!r} at {self.at} is not JSON") from exc

    def _is(self, mark: str) -> bool:
        return self.kind == "mark" and self.text == mark

    def _take(self, mark: str) -> None:
        if not self._is(mark):
            raise NotEditable(f"{mark!r} is missing at {self.at}")
        self._take_token()

    def _take_token(self) -> int:
        """Go to the next token. Return where this one ended."""
        end = self._end
        self._next()
        return end

    def _next(self) -> None:
        self.kind, self.text, self.at, self._end = next(self._tokens)

    def _scan(self) -> Iterator[tuple[str, str, int, int]]:
        at = 0
        while at < len(self._source):
            found = TOKEN.match(self._source, at)
            if found is None:
                raise NotEditable(f"there is no JSON at {at}")
            at = found.end()
            if found.lastgroup and found.lastgroup != "skip":
                yield found.lastgroup, found[0], *found.span()
        while True:
            yield "", "", at, at
