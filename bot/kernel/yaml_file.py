"""Reads a YAML file that people write: its values with their lines, or each problem with its line.

It accepts the keys, values and lists of YAML. It refuses aliases, tags, several documents and
duplicate keys, because they surprise people or can make a small file huge. A value is a number,
true or false, or else a text: `yes` is not true, and `15:00` is not 900.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeAlias

import yaml
from pydantic import BaseModel, ValidationError
from yaml.reader import ReaderError

from bot.kernel import argument_errors

MOST_PROBLEMS = 20
# In a path: any name that the file chooses, or any place in a list.
ANY = "*"

Where: TypeAlias = tuple[str, ...]
Lines: TypeAlias = dict[Where, int]
Found: TypeAlias = tuple[int, Where, str]
# A key may be very long; a problem shows only its beginning.
SHOWN = 100

# An escape can also produce halves of characters.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
NUMBER = re.compile(r"-?[0-9]{1,18}")
WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}

# Problems that are worded differently for a file than for an argument.
REASONS = argument_errors.REASONS | {
    "string_type": "must be a text; put it in quotes",
    "model_type": "must have keys below it",
    "dict_type": "must have keys below it",
    "list_type": "must be a list",
    "string_pattern_mismatch": "must be one line that does not begin or end with a space",
    "literal_error": "must be {expected}",
    "value_error": "{error}",
}


class Unreadable(Exception):
    """The file has errors; `problems` has one line of text for each."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Rules:
    """What one kind of file may hold. No real file comes near the limits."""

    example: str  # one line of such a file
    longest: int = 64 * 1024
    entries: int = 1000
    depth: int = 5
    # The texts that may have several lines, and the control characters that they may have.
    prose: Iterable[Where] = ()
    in_prose: str = "\n"
    # The most entries of some lists.
    lists: Mapping[Where, int] = field(default_factory=dict)


def matches_any(patterns: Iterable[Where], where: Where) -> bool:
    """Whether a path in the file is one of these, in which ANY is any part."""
    return any(
        len(pattern) == len(where)
        and all(part in (ANY, given) for part, given in zip(pattern, where, strict=True))
        for pattern in patterns
    )


def too_long(size: int, rules: Rules) -> Unreadable:
    return Unreadable(f"the file has {size} bytes; the limit is {rules.longest}")


def line_of(line: int, where: Where, reason: str) -> str:
    """One problem as a line of text."""
    # A quoted key may contain line breaks, which would end the quotation in the issue.
    named = " ".join(".".join(where)[:SHOWN].split())
    return f"line {line}: {named}: {reason}" if where else f"line {line}: {reason}"


def unreadable(found: Iterable[Found]) -> Unreadable:
    """The first problems, in the order of their lines."""
    return Unreadable(*(line_of(*each) for each in sorted(set(found))[:MOST_PROBLEMS]))


def _problem(line: int, where: Where, reason: str) -> Unreadable:
    return Unreadable(line_of(line, where, reason))


# --- YAML to values ------------------------------------------------------------------------------


def read(data: bytes, rules: Rules) -> tuple[Any, Lines]:
    """The values of the file, and the line of each. Raise Unreadable."""
    lines: Lines = {}
    found = _read(_text(data, rules), lines, rules)
    lines.setdefault((), 1)  # of an empty file
    return found, lines


def _text(data: bytes, rules: Rules) -> str:
    if len(data) > rules.longest:
        raise too_long(len(data), rules)
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        raise _problem(line, (), "is not UTF-8") from exc


def _read(text: str, lines: Lines, rules: Rules) -> Any:
    try:
        return _document(text, lines, rules)
    except ReaderError as exc:
        line = text[: exc.position].count("\n") + 1
        reason = f"has a character that YAML does not allow: U+{exc.character:04X}"
        raise _problem(line, (), reason) from exc
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        problem = str(exc.problem)
        reason = (
            "is indented with a tab; use spaces"
            if "'\\t'" in problem
            else f"is not valid YAML: {problem[:SHOWN]}"
        )
        raise _problem(mark.line + 1 if mark else 1, (), reason) from exc


def _document(text: str, lines: Lines, rules: Rules) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        return _Document(loader, lines, rules).value()
    except (ValueError, OverflowError) as exc:
        # PyYAML raises these for an escape such as "\UFFFFFFFF".
        raise _problem(
            loader.line + 1, (), "is not valid YAML: an escape is not a character"
        ) from exc


class _Document:
    """The one document of a stream of YAML's events."""

    def __init__(self, loader: yaml.SafeLoader, lines: Lines, rules: Rules) -> None:
        self.events: Iterator[yaml.Event] = iter(loader.get_event, None)
        self.entries = count(1)
        self.lines = lines
        self.rules = rules

    def value(self) -> Any:
        next(self.events)
        if isinstance(next(self.events), yaml.StreamEndEvent):
            return {}
        first = next(self.events)
        found = self._of(first, ())
        next(self.events)
        if not isinstance(following := next(self.events), yaml.StreamEndEvent):
            raise _problem(_at(following), (), "begins a second document; write only one")
        empty = isinstance(first, yaml.ScalarEvent) and not first.value
        if isinstance(found, dict) or empty:
            return found or {}
        reason = f"must be keys with values, for example `{self.rules.example}`"
        raise _problem(_at(first), (), reason)

    def _of(self, event: yaml.Event, where: Where) -> Any:
        self._check(event, where)
        self.lines.setdefault(where, _at(event))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(where)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(where)
        return _scalar(event)

    def _sequence(self, where: Where) -> list[Any]:
        most = self.rules.lists.get(where, self.rules.entries)
        made: list[Any] = []
        for event in self._until(yaml.SequenceEndEvent):
            if len(made) == most:
                raise _problem(_at(event), where, f"must have at most {most} entries")
            made.append(self._of(event, (*where, str(len(made)))))
        return made

    def _mapping(self, where: Where) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for event in self._until(yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _problem(_at(event), where, "has a key that is not a text")
            self._check(event, where)
            key = (*where, event.value)
            if event.value in made:
                reason = f"is a duplicate key; it is first in line {self.lines[key]}"
                raise _problem(_at(event), key, reason)
            self.lines[key] = _at(event)
            made[event.value] = self._of(next(self.events), key)
            if made[event.value] is None:
                reason = "has no value; remove the key to use its default"
                raise _problem(_at(event), key, reason)
        return made

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        while not isinstance(event := next(self.events), end):
            yield event

    def _check(self, event: yaml.Event, where: Where) -> None:
        line = _at(event)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _problem(line, where, "has an anchor or alias; write the value itself")
        if tag := getattr(event, "tag", None):
            raise _problem(line, where, f"has the tag {tag[:SHOWN]!r}; remove it")
        if len(where) > self.rules.depth:
            raise _problem(line, where, "is nested too deeply")
        if CONTROL.search(self._without_allowed(getattr(event, "value", ""), where)):
            raise _problem(line, where, "has a control character")
        if next(self.entries) > self.rules.entries:
            raise _problem(line, where, f"is beyond the limit of {self.rules.entries} entries")

    def _without_allowed(self, text: str, where: Where) -> str:
        is_prose = matches_any(self.rules.prose, where)
        return text.translate(dict.fromkeys(map(ord, self.rules.in_prose))) if is_prose else text


def _at(event: yaml.Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.line + 1


def _scalar(event: Any) -> Any:
    if event.style:
        return event.value  # A quoted value is a text.
    if NUMBER.fullmatch(event.value):
        return int(event.value)
    return WORDS.get(event.value, event.value)


# --- What is wrong with the values ---------------------------------------------------------------


def problems_of(
    exc: ValidationError, lines: Lines, group_at: Callable[[Where], type[BaseModel]]
) -> list[Found]:
    """`group_at`: the model of the keys at a path."""
    return [_problem_of(lines, each, group_at) for each in exc.errors(include_url=False)]


def nearest_line(lines: Lines, where: Where) -> int:
    """A missing key has no line, so take the line of the group that lacks it."""
    return next(lines[where[:n]] for n in range(len(where), -1, -1) if where[:n] in lines)


def _problem_of(lines: Lines, error: Any, group_at: Callable[[Where], type[BaseModel]]) -> Found:
    # pydantic marks an error of a key itself, in a mapping, by one more part.
    where = tuple(str(part) for part in error["loc"] if part != "[key]")
    return nearest_line(lines, where), where, _reason(where, error, group_at)


def _reason(where: Where, error: Any, group_at: Callable[[Where], type[BaseModel]]) -> str:
    if error["type"] == "extra_forbidden":
        fields = group_at(where[:-1]).model_fields.items()
        return f"is unknown; use {', '.join(each.alias or name for name, each in fields)}"
    reason = REASONS.get(error["type"])
    return reason.format(**error.get("ctx", {})) if reason else error["msg"]
