"""Schemas of an OpenAPI document as JSON Schema 2020-12, for the arguments of one tool.

What is referenced stands once under `$defs`, so a document with circles, or with references that
multiply, stays small. A schema that is too large loses its texts first, then its inner parts.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

import orjson

from bot.tool_servers.openapi.document_text import WrongDocument, one_line
from bot.tool_servers.openapi.references import Document, Node, at_pointer, follow
from bot.tool_servers.openapi.service import Dialect

Schema: TypeAlias = dict[str, Any] | bool

# Bytes of the schema of one tool, which agents read in full.
LARGEST = 20_000
# Parts of one schema while it is read, and of all schemas of a document.
MOST_PARTS, MOST_IN_ALL = 4000, 500_000
# Entries of a list, such as an enumeration, and characters of a text in a schema.
LONGEST_LIST, LONGEST_TEXT = 1000, 2000
DEEPEST = 40
TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")

# Keywords by what their value is.
LIMITS = frozenset(
    {
        *("exclusiveMinimum", "exclusiveMaximum"),  # in 3.0, true or false
        *("minimum", "maximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems"),
        *("minProperties", "maxProperties"),
    }
)
PLAIN = frozenset({"format", "pattern", "contentEncoding", "contentMediaType"})
FLAGS = frozenset({"uniqueItems", "deprecated", "writeOnly"})
LISTS = {"allOf": "allOf", "anyOf": "anyOf", "oneOf": "anyOf", "prefixItems": "prefixItems"}
INNER = frozenset({"items", "additionalProperties", "not", "contains", "propertyNames"})


class TooLarge(Exception):
    """This attempt at a schema became too large."""


@dataclass(frozen=True)
class Detail:
    """`texts`: characters of a description. `steps`: references that are followed in a row."""

    texts: int
    steps: int


# From the best to the least.
DETAILS = (Detail(300, 100), Detail(80, 100), *(Detail(0, n) for n in (100, 6, 3, 2, 1, 0)))


class Budget:
    """How much of a document may still be read. One for all of its tools."""

    def __init__(self, left: int = MOST_IN_ALL) -> None:
        self.left = left

    def spend(self, parts: int) -> None:
        self.left -= parts
        if self.left < 0:
            raise WrongDocument((), "has too large schemas. Choose fewer operations")


def arguments_schema(
    document: Document,
    dialect: Dialect,
    budget: Budget,
    build: Callable[["Schemas"], dict[str, Any]],
) -> dict[str, Any] | None:
    """The schema of all arguments with as much detail as fits, or None if none fits.

    `build` makes it of its parts.
    """
    most_steps = DETAILS[0].steps
    for detail in DETAILS:
        if detail.steps > most_steps:
            continue
        schemas = Schemas(document, dialect, budget, detail)
        try:
            made = schemas.complete(build(schemas))
        except TooLarge:
            # Shorter texts leave as many parts.
            most_steps = detail.steps - 1
            continue
        if len(orjson.dumps(made)) <= LARGEST:
            return made
    return None


class Schemas:
    """One attempt at the schema of one tool."""

    def __init__(
        self, document: Document, dialect: Dialect, budget: Budget, detail: Detail
    ) -> None:
        self._document = document
        self._is_31 = dialect == "3.1"
        self._budget = budget
        self._detail = detail
        self._parts = 0
        self._names: dict[tuple[str, ...], str] = {}
        self._taken: set[str] = set()
        self._waiting: deque[tuple[str, Node, int]] = deque()
        self._defs: dict[str, Schema] = {}

    @property
    def has_texts(self) -> bool:
        return self._detail.texts > 0

    def text(self, node: Node, key: str = "description") -> dict[str, str]:
        """A description of the node, if there is one and details are wanted."""
        found = node.text(key) if self._detail.texts else ""
        return {"description": one_line(found, self._detail.texts)} if found else {}

    def of(self, node: Node, steps: int = 0, depth: int = 0) -> Schema:
        """The schema at a node. `steps`: how many references led to it."""
        self.spend(1)
        if isinstance(node.value, bool):
            return node.value
        if depth > DEEPEST:
            return {}
        if "$ref" in node.object():
            return self._reference(node, steps, depth)
        return _Reading(self, node, steps, depth).schema(is_31=self._is_31)

    def _reference(self, node: Node, steps: int, depth: int) -> Schema:
        target = at_pointer(self._document, node.value["$ref"], (*node.place, "$ref"))
        if steps >= self._detail.steps:
            return {"description": f"{one_line(target.place[-1])}: its parts are left out here."}
        if target.place not in self._names:
            name = self._name(target.place[-1])
            self._names[target.place] = name
            self._waiting.append((name, target, steps + 1))
        reference: dict[str, Any] = {"$ref": Reference(PREFIX + self._names[target.place])}
        # Beside a reference, 3.0 ignores everything; 3.1 applies it too.
        beside = {key: each for key, each in node.value.items() if key != "$ref"}
        if not self._is_31 or not beside:
            return reference
        other = self.of(Node(beside, node.place), steps, depth + 1)
        return other | reference if isinstance(other, dict) else reference

    def _name(self, last: str) -> str:
        name = UNSAFE.sub("_", last)[:60] or "schema"
        made = next(each for n in count(1) if (each := _with_number(name, n)) not in self._taken)
        self._taken.add(made)
        return made

    def complete(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema with everything that it references, each in the order of its distance."""
        while self._waiting:
            name, node, steps = self._waiting.popleft()
            self._defs[name] = self.of(node, steps)
        return with_single_uses_inside(schema, self._defs)

    def spend(self, parts: int) -> None:
        self._parts += parts
        self._budget.spend(parts)
        if self._parts > MOST_PARTS:
            raise TooLarge

    def target_of(self, node: Node) -> Node:
        return follow(self._document, node)


def _with_number(name: str, n: int) -> str:
    return name if n == 1 else f"{name}_{n}"


class _Reading:
    """Reads one schema object."""

    def __init__(self, schemas: Schemas, node: Node, steps: int, depth: int) -> None:
        self.schemas = schemas
        self.node = node
        self.steps = steps
        self.depth = depth

    def schema(self, *, is_31: bool) -> Schema:
        made: dict[str, Any] = self._kind()
        for key, value in self.node.items():
            made = _with_both(made, self._keyword(key, value))
        made |= self._object() | self._choices() | self._example()
        made |= self.schemas.text(self.node)
        if is_31:
            return made
        _limits_of_30(made, self.node)
        return _with_null(made) if self.node.flag("nullable") else made

    def _kind(self) -> dict[str, Any]:
        given = self.node.object().get("type")
        kinds = [given] if isinstance(given, str) else given
        if kinds is None:
            return {}
        if not isinstance(kinds, list) or not all(
            isinstance(each, str) and each in TYPES for each in kinds
        ):
            reason = f"must be one of {', '.join(sorted(TYPES))}"
            raise WrongDocument((*self.node.place, "type"), reason)
        return {"type": given}

    def _keyword(self, key: str, value: Node) -> dict[str, Any]:
        if key in PLAIN:
            return self._plain(key)
        if key in LISTS:
            return {LISTS[key]: [self._inner(each) for each in value.entries()]}
        if key in INNER:
            return {key: self._inner(value)}
        if key in FLAGS:
            return {key: True} if self.node.flag(key) else {}
        is_limit = key in LIMITS and not isinstance(value.value, bool)
        return {key: _number(value)} if is_limit else {}

    def _plain(self, key: str) -> dict[str, Any]:
        text = self.node.text(key)
        self.schemas.spend(len(text) // 64)
        return {key: text} if len(text) <= LONGEST_TEXT else {}

    def _inner(self, node: Node) -> Schema:
        return self.schemas.of(node, self.steps, self.depth + 1)

    def _object(self) -> dict[str, Any]:
        """The properties that may be sent: a read-only one is only in answers."""
        properties = self.node.get("properties")
        required = self.node.texts("required")
        self.schemas.spend(len(required))
        if properties is None:
            return {"required": list(required)} if required else {}
        made, left_out = {}, set()
        for name, node in properties.items():
            self.schemas.spend(1 + len(name) // 64)
            if self._is_read_only(node):
                left_out.add(name)
            else:
                made[name] = self._inner(node)
        kept = [name for name in required if name not in left_out]
        return {"properties": made} | ({"required": kept} if kept else {})

    def _is_read_only(self, node: Node) -> bool:
        found = self.schemas.target_of(node)
        return isinstance(found.value, dict) and found.value.get("readOnly") is True

    def _choices(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        given = self.node.object()
        if "enum" in given:
            values = [each.value for each in self.node.list_of("enum")]
            self.schemas.spend(len(values))
            if len(values) <= LONGEST_LIST and all(map(self._is_small, values)):
                made["enum"] = values
        for key in ("const", "default"):
            if key in given and self._is_small(given[key]):
                made[key] = given[key]
        return made

    def _example(self) -> dict[str, Any]:
        """One example. 3.1 has a list of them."""
        if not self.schemas.has_texts:
            return {}
        given = self.node.object()
        several = given.get("examples")
        example = several[0] if isinstance(several, list) and several else given.get("example")
        short = example is not None and self._is_small(example, 200)
        return {"examples": [example]} if short else {}

    def _is_small(self, value: Any, longest: int = LONGEST_TEXT) -> bool:
        size = len(value) if isinstance(value, str) else _size(value, longest)
        self.schemas.spend(min(size, longest) // 64)
        return size <= longest


def _size(value: Any, longest: int) -> int:
    """Roughly the characters of a value, counted until they are more than enough."""
    size, waiting = 0, [value]
    while waiting and size <= longest:
        each = waiting.pop()
        size += 4 + (len(each) if isinstance(each, str) else 0)
        if isinstance(each, dict):
            size += sum(map(len, each))
            waiting.extend(each.values())
        if isinstance(each, list):
            waiting.extend(each[:longest])
    return size


def _with_both(made: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Both hold: `oneOf` beside `anyOf` becomes a second `anyOf`, and an object has only one."""
    if "anyOf" in made and "anyOf" in more:
        return made | {"allOf": [*made.get("allOf", ()), more]}
    if "allOf" in made and "allOf" in more:
        return made | {"allOf": [*made["allOf"], *more["allOf"]]}
    return made | more


def _number(node: Node) -> float:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        raise WrongDocument(node.place, "must be a number")
    return node.value


def _limits_of_30(made: dict[str, Any], node: Node) -> None:
    """In 3.0, true beside a limit excludes the limit itself."""
    for flag, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if node.object().get(flag) is True and limit in made:
            made[flag] = made.pop(limit)


def _with_null(made: dict[str, Any]) -> Schema:
    """The schema that also takes null."""
    if "enum" in made and None not in made["enum"]:
        made["enum"] = [*made["enum"], None]
    if isinstance(kind := made.get("type"), str):
        made["type"] = [kind, "null"]
    if "type" in made or not {"allOf", "anyOf", "not"} & made.keys():
        return made
    return {"anyOf": [made, {"type": "null"}]}


# --- `$defs` -------------------------------------------------------------------------------------

PREFIX = "#/$defs/"
# Levels of a schema in which what is used once is put. Readers of JSON allow some 250.
DEEPEST_PLACE = 60


class Reference(str):
    """A reference that was made here, and no text of the document that looks like one."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return self.removeprefix(PREFIX)


def with_single_uses_inside(schema: dict[str, Any], defs: dict[str, Schema]) -> dict[str, Any]:
    """The schema with its `$defs`, of which those used once stand where they are used."""
    uses = Counter(name for each in (schema, *defs.values()) for name in _names_in(each))
    once = {name: each for name, each in defs.items() if uses[name] == 1}
    placing = _Placing(once, deque(name for name in defs if name not in once))
    made: dict[str, Any] = placing.within(schema, 0)
    rest: dict[str, Any] = {}
    while placing.kept:
        name = placing.kept.popleft()
        rest[name] = placing.within(defs[name], 0)
    return made | {"$defs": rest} if rest else made


def _names_in(schema: Any) -> Iterator[str]:
    waiting = [schema]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Reference):
            yield each.name
        waiting.extend(each.values() if isinstance(each, dict) else ())
        waiting.extend(each if isinstance(each, list) else ())


@dataclass(frozen=True)
class _Placing:
    """`kept`: what must be in `$defs`."""

    once: dict[str, Schema]
    kept: deque[str]

    def within(self, schema: Any, depth: int) -> Any:
        if isinstance(schema, list):
            return [self.within(each, depth + 1) for each in schema]
        if not isinstance(schema, dict):
            return schema
        reference = schema.get("$ref")
        if isinstance(reference, Reference) and reference.name in self.once:
            if depth > DEEPEST_PLACE:
                self.kept.append(reference.name)
                return schema
            return self.within(_in_place(schema, self.once[reference.name]), depth + 1)
        return {key: self.within(each, depth + 1) for key, each in schema.items()}


def _in_place(schema: dict[str, Any], target: Schema) -> dict[str, Any]:
    """What is beside a reference, with its target. A description beside it is the better one."""
    beside = {key: each for key, each in schema.items() if key != "$ref"}
    if isinstance(target, dict) and not (target.keys() & beside.keys() - {"description"}):
        return target | beside
    return beside | {"allOf": [*beside.get("allOf", ()), target]}
