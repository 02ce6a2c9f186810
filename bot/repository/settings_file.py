"""Reads `.github/hubbub.yml`: the settings, or each problem with its line.

It accepts the keys, values and lists of YAML. It refuses aliases, tags, several documents and
duplicate keys, because they surprise people or can make a small file huge. A value is a number,
true or false, or else a text: `yes` is not true, and `15:00` is not 900.
"""

import re
from collections.abc import Iterator
from itertools import count
from typing import Any, TypeAlias

import yaml
from pydantic import ValidationError
from yaml.reader import ReaderError

from bot.kernel import argument_errors
from bot.repository.repository_settings import ANY, RepositorySettings, group_at, matches_any

PATH = ".github/hubbub.yml"
# No real file comes near these limits.
LONGEST = 64 * 1024
MOST_ENTRIES = 1000
DEEPEST = 5
MOST_PROBLEMS = 20

Where: TypeAlias = tuple[str, ...]
Lines: TypeAlias = dict[Where, int]
# A key may be very long; a problem shows only its beginning.
SHOWN = 100

# An escape can also produce halves of characters.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# Texts that may have several lines.
PROSE = (("templates", ANY, "prompt"), ("templates", ANY, "inputs", ANY))
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


def parse(data: bytes) -> RepositorySettings:
    """Raise Unreadable."""
    lines: Lines = {}
    try:
        return RepositorySettings.model_validate(_read(_text(data), lines))
    except ValidationError as exc:
        found = sorted(_problem_of(lines, each) for each in exc.errors(include_url=False))
        said = [_line(*each) for each in found[:MOST_PROBLEMS]]
        raise Unreadable(*said) from exc


def _text(data: bytes) -> str:
    if len(data) > LONGEST:
        raise too_long(len(data))
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        raise _problem(line, (), "is not UTF-8") from exc


def too_long(size: int) -> Unreadable:
    return Unreadable(f"the file has {size} bytes; the limit is {LONGEST}")


def _problem(line: int, where: Where, reason: str) -> Unreadable:
    return Unreadable(_line(line, where, reason))


def _line(line: int, where: Where, reason: str) -> str:
    # A quoted key may contain line breaks, which would end the quotation in the issue.
    named = " ".join(".".join(where)[:SHOWN].split())
    return f"line {line}: {named}: {reason}" if where else f"line {line}: {reason}"


# --- YAML to values ------------------------------------------------------------------------------


def _read(text: str, lines: Lines) -> Any:
    try:
        return _document(text, lines)
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


def _document(text: str, lines: Lines) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        return _Document(loader, lines).value()
    except (ValueError, OverflowError) as exc:
        # PyYAML raises these for an escape such as "\UFFFFFFFF".
        raise _problem(
            loader.line + 1, (), "is not valid YAML: an escape is not a character"
        ) from exc


class _Document:
    """The one document of a stream of YAML's events."""

    def __init__(self, loader: yaml.SafeLoader, lines: Lines) -> None:
        self.events: Iterator[yaml.Event] = iter(loader.get_event, None)
        self.entries = count(1)
        self.lines = lines

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
        raise _problem(_at(first), (), "must be keys with values, for example `lease_s: 900`")

    def _of(self, event: yaml.Event, where: Where) -> Any:
        self._check(event, where)
        self.lines.setdefault(where, _at(event))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(where)
        if isinstance(event, yaml.SequenceStartEvent):
            items = enumerate(self._until(yaml.SequenceEndEvent))
            return [self._of(each, (*where, str(n))) for n, each in items]
        return _scalar(event)

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
        if len(where) > DEEPEST:
            raise _problem(line, where, "is nested too deeply")
        text = getattr(event, "value", "")
        if CONTROL.search(text.replace("\n", "") if matches_any(PROSE, where) else text):
            raise _problem(line, where, "has a control character")
        if next(self.entries) > MOST_ENTRIES:
            raise _problem(line, where, f"is beyond the limit of {MOST_ENTRIES} entries")


def _at(event: yaml.Event) -> int:
    assert event.start_mark is not None
    return event.start_mark.line + 1


def _scalar(event: Any) -> Any:
    if event.style:
        return event.value  # A quoted value is a text.
    if NUMBER.fullmatch(event.value):
        return int(event.value)
    return WORDS.get(event.value, event.value)


# --- Values to settings --------------------------------------------------------------------------


def _problem_of(lines: Lines, error: Any) -> tuple[int, Where, str]:
    # pydantic marks an error of a key itself, in a mapping, by one more part.
    where = tuple(str(part) for part in error["loc"] if part != "[key]")
    # A missing key has no line, so take the line of the group that lacks it.
    known = next(lines[where[:n]] for n in range(len(where), -1, -1) if where[:n] in lines)
    return known, where, _reason(where, error)


def _reason(where: Where, error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return f"is unknown; use {', '.join(group_at(where[:-1]).model_fields)}"
    reason = REASONS.get(error["type"])
    return reason.format(**error.get("ctx", {})) if reason else error["msg"]
