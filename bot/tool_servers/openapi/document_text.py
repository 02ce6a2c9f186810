"""The text of an OpenAPI document as values: JSON or YAML, bounded in size, depth and entries."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
import yaml
from yaml.reader import ReaderError

Place: TypeAlias = tuple[str, ...]

LARGEST = 16 * 1024 * 1024
MOST_ENTRIES = 1_000_000
DEEPEST = 100
# Characters of one name in a place, and of a quotation.
SHOWN = 120

INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
DECIMAL = re.compile(r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,3})?")
WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
TEXT_TAGS = (None, "!", "tag:yaml.org,2002:str")
# libyaml is ten times as fast. PyYAML may be built without it.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class WrongDocument(Exception):
    """The document cannot be used. The text begins with the place, as in `paths./pets.get`."""

    def __init__(self, place: Place, why: str) -> None:
        where = ".".join(one_line(part) for part in place)
        super().__init__(f"{where}: {why}" if where else f"The document {why}")
        self.place = place


def one_line(text: str, longest: int = SHOWN) -> str:
    """The beginning of a text, without line ends and other control characters."""
    start = text[: longest * 4]
    words = " ".join("".join(each if each.isprintable() else " " for each in start).split())
    return words if len(words) <= longest else words[: longest - 1].rstrip() + "…"


def parse(data: bytes) -> dict[str, Any]:
    """The values of the document. Raise WrongDocument."""
    if len(data) > LARGEST:
        raise WrongDocument((), f"has {len(data)} bytes; the limit is {LARGEST}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        raise WrongDocument((), f"is not UTF-8 in line {line}") from exc
    found = _json(text) if text.lstrip()[:1] in ("{", "[") else _yaml(text)
    if not isinstance(found, dict):
        raise WrongDocument((), "must be an object with the key `openapi`, in JSON or YAML")
    return found


def _json(text: str) -> Any:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise WrongDocument((), f"is not valid JSON: {one_line(str(exc))}") from exc
    _check_bounds(found)
    return found


def _check_bounds(value: Any) -> None:
    entries, waiting = 0, [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        entries += 1
        if entries + len(waiting) > MOST_ENTRIES:
            raise _too_many()
        if depth > DEEPEST:
            raise WrongDocument((), f"is nested more than {DEEPEST} levels deep")
        inner = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        waiting.extend((one, depth + 1) for one in inner)


def _too_many() -> WrongDocument:
    return WrongDocument((), f"has more than {MOST_ENTRIES} entries")


# --- YAML ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Anchored:
    """A value that aliases repeat: how many entries it has, and how deep it is."""

    value: Any
    entries: int
    depth: int


def _yaml(text: str) -> Any:
    try:
        return _Yaml(iter(yaml.parse(text, Loader=LOADER))).document()
    except ReaderError as exc:
        raise WrongDocument((), "has a character that YAML does not allow") from exc
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = mark.line + 1 if mark else 1
        problem = one_line(str(exc.problem))
        raise WrongDocument((), f"is not valid YAML in line {line}: {problem}") from exc
    except (yaml.YAMLError, ValueError, OverflowError) as exc:
        raise WrongDocument((), f"is not valid YAML: {one_line(str(exc))}") from exc


class _Yaml:
    """The one document of a stream of YAML's events. An alias counts as what it repeats."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self.events = events
        self.entries = 0
        # The greatest depth since the last anchor began.
        self.deepest = 0
        self.anchors: dict[str, Anchored] = {}

    def document(self) -> Any:
        next(self.events)
        if isinstance(next(self.events), yaml.StreamEndEvent):
            return None
        found = self._of(next(self.events), 0)
        next(self.events)
        if not isinstance(following := next(self.events), yaml.StreamEndEvent):
            raise _wrong(following, "begins a second document; write only one")
        return found

    def _of(self, event: yaml.Event, depth: int) -> Any:
        self._count(event, 1, depth)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        anchor = getattr(event, "anchor", None)
        if anchor is None:
            return self._value(event, depth)
        before, outer, self.deepest = self.entries, self.deepest, depth
        found = self._value(event, depth)
        self.anchors[anchor] = Anchored(found, self.entries - before, self.deepest - depth)
        self.deepest = max(outer, self.deepest)
        return found

    def _alias(self, event: yaml.AliasEvent, depth: int) -> Any:
        if (known := self.anchors.get(str(event.anchor))) is None:
            raise _wrong(event, f"repeats {one_line(str(event.anchor))}, which is not complete")
        self._count(event, known.entries, depth + known.depth)
        return known.value

    def _value(self, event: yaml.Event, depth: int) -> Any:
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(depth + 1)
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._of(each, depth + 1) for each in self._until(yaml.SequenceEndEvent)]
        return _scalar(event)

    def _mapping(self, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        merged: list[Any] = []
        for event in self._until(yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _wrong(event, "has a key that is not a text")
            if event.value in made:
                raise _wrong(event, f"has the key {one_line(event.value)} twice")
            value = self._of(next(self.events), depth)
            if event.value == "<<" and isinstance(value, dict):
                merged.append(value)
            else:
                made[event.value] = value
        for each in merged:
            made = each | made
        return made

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        while not isinstance(event := next(self.events), end):
            yield event

    def _count(self, event: yaml.Event, entries: int, depth: int) -> None:
        self.entries += entries
        self.deepest = max(self.deepest, depth)
        if self.entries > MOST_ENTRIES:
            raise _too_many()
        if depth > DEEPEST:
            raise _wrong(event, f"is nested more than {DEEPEST} levels deep")


def _wrong(event: yaml.Event, why: str) -> WrongDocument:
    line = event.start_mark.line + 1 if event.start_mark else 1
    return WrongDocument((), f"{why} (line {line})")


def _scalar(event: Any) -> Any:
    """As JSON has it: `yes` and `2026-01-01` are texts, also without quotes."""
    if event.tag not in TEXT_TAGS:
        raise _wrong(event, f"has the tag {one_line(event.tag)}; remove it")
    # With libyaml, the style of a plain scalar is an empty text.
    if event.style or event.tag:
        return event.value
    if INTEGER.fullmatch(event.value):
        return int(event.value)
    if DECIMAL.fullmatch(event.value):
        return float(event.value)
    return WORDS.get(event.value, event.value)
