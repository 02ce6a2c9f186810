"""What changed between two versions of a tool, and whether calls of the old one still fit."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

Compatibility: TypeAlias = Literal["same", "compatible", "breaking"]
Schema: TypeAlias = Mapping[str, Any]

MOST_CHANGES = 50
DEEPEST = 12
# Parts that are compared. References within a schema may lead to more than anybody can count.
MOST_PARTS = 5000
# Lines of each version that are compared, and characters of a line.
MOST_LINES = 600
LONGEST_LINE = 240
# Words for readers: they say nothing about which calls fit.
WORDS = ("title", "description", "default", "examples", "$comment", "deprecated")
# A limit that is higher takes fewer calls, and one that is lower.
AT_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
AT_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
KNOWN = frozenset(
    {*WORDS, *AT_LEAST, *AT_MOST, "properties", "required", "type", "enum", "items"}
    | {"additionalProperties", "$schema", "$id", "$defs", "definitions"}
)
GONE, OPTIONAL = "removed", "added, optional"
PARTS = ("title", "description", "hints", "input_schema", "output_schema")


@dataclass(frozen=True)
class Change:
    place: str
    what: str
    is_breaking: bool


def compatibility(changes: Sequence[Change]) -> Compatibility:
    if any(each.is_breaking for each in changes):
        return "breaking"
    return "compatible" if changes else "same"


def schema_changes(old: Schema, new: Schema) -> list[Change]:
    """How the calls that a schema takes changed. What cannot be compared counts as breaking."""
    if old == new:
        return []
    found: list[Change] = []
    room = iter(range(MOST_PARTS))
    for each in _compare(_Side(old, old, room), _Side(new, new, room), "", 0):
        found.append(each)
        if len(found) == MOST_CHANGES:
            found.append(Change("", "more changes than are listed", is_breaking=True))
            break
    else:
        if next(room, None) is None:
            found.append(Change("", "too large to be compared", is_breaking=True))
    return found


def tool_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """How calls of a tool, and what they answer, changed between two of its versions.

    Who reads results may miss a property that is gone, but not one that is added.
    """
    if not old:
        return [Change("", "the tool is new", is_breaking=True)]
    found = schema_changes(old["input_schema"], new["input_schema"])
    before, after = old.get("output_schema"), new.get("output_schema")
    if before != after:
        is_breaking = bool(before) and _may_miss(before or {}, after or {})
        found.append(Change("result", "its schema changed", is_breaking))
    for name, value in new["hints"].items():
        if old["hints"].get(name) != value:
            told = f"{name} becomes {'yes' if value else 'no'}"
            found.append(Change("hints", told, is_breaking=False))
    return found


def _may_miss(before: Schema, after: Schema) -> bool:
    """Whether who reads results of the schema before may not be able to read those after.

    What a reader takes is compared the other way round. So a property that is gone looks as if it
    were added, and one that is added as if it were removed.
    """
    changes = schema_changes(after, before)
    return any(
        each.what == OPTIONAL or (each.is_breaking and each.what != GONE) for each in changes
    )


@dataclass(frozen=True)
class _Side:
    """A part of a schema, and the whole in which its references lead.

    `room`: of both sides, has an entry for each part that may be compared still.
    """

    part: Any
    whole: Schema
    room: Iterator[int]

    def target_of_reference(self) -> "_Side":
        part = self.part
        for _ in range(DEEPEST):
            if not isinstance(part, dict) or not isinstance(part.get("$ref"), str):
                break
            found: Any = self.whole
            for name in part["$ref"].removeprefix("#/").split("/"):
                found = found.get(name) if isinstance(found, dict) else None
            if not part["$ref"].startswith("#/") or found is None:
                break
            rest = {name: value for name, value in part.items() if name != "$ref"}
            part = {**found, **rest} if isinstance(found, dict) else found
        return self.child(part)

    def child(self, part: Any) -> "_Side":
        return replace(self, part=part)


def _compare(old: _Side, new: _Side, place: str, depth: int) -> Iterator[Change]:
    if next(old.room, None) is None:
        return
    if depth > DEEPEST:
        if old.part != new.part:
            yield Change(place, "changed deep inside", is_breaking=True)
        return
    old, new = old.target_of_reference(), new.target_of_reference()
    if not isinstance(old.part, dict) or not isinstance(new.part, dict):
        yield from _compare_bare(old.part, new.part, place)
        return
    yield from _types(old.part, new.part, place)
    yield from _choices(old.part, new.part, place)
    yield from _limits(old.part, new.part, place)
    yield from _additional(old.part, new.part, place)
    yield from _properties(old, new, place, depth)
    if "items" in old.part or "items" in new.part:
        before, after = (side.child(side.part.get("items", {})) for side in (old, new))
        yield from _compare(before, after, f"{place}[]", depth + 1)
    yield from _others(old.part, new.part, place)


def _compare_bare(old: Any, new: Any, place: str) -> Iterator[Change]:
    """`true` and `{}` take everything, `false` takes nothing."""
    if _as_bool(old) == _as_bool(new):
        if _as_bool(old) is None and old != new:
            yield Change(place, "changed", is_breaking=True)
    else:
        yield Change(place, "takes other values", is_breaking=_as_bool(new) is not True)


def _as_bool(part: Any) -> bool | None:
    return part if isinstance(part, bool) else True if part == {} else None


def _types(old: Schema, new: Schema, place: str) -> Iterator[Change]:
    before, after = _type_set(old), _type_set(new)
    if before == after:
        return
    told = f"type {_names_of_types(before)} becomes {_names_of_types(after)}"
    yield Change(place, told, is_breaking=after is not None and (before is None or before > after))
    if before is not None and after is not None and not (before >= after or after >= before):
        yield Change(place, f"no longer takes {_names_of_types(before - after)}", is_breaking=True)


def _type_set(schema: Schema) -> frozenset[str] | None:
    found = schema.get("type")
    if found is None:
        return None
    named = {str(each) for each in (found if isinstance(found, list) else [found])}
    # Each whole number is a number.
    return frozenset(named | ({"integer"} if "number" in named else set()))


def _names_of_types(types: frozenset[str] | None) -> str:
    return " or ".join(sorted(types)) if types else "any"


def _choices(old: Schema, new: Schema, place: str) -> Iterator[Change]:
    before, after = _enum(old), _enum(new)
    if before == after:
        return
    if after is None:
        yield Change(place, "takes any value now", is_breaking=False)
    elif before is None:
        yield Change(place, f"takes only {_list(after)}", is_breaking=True)
    else:
        if gone := before - after:
            yield Change(place, f"no longer takes {_list(gone)}", is_breaking=True)
        if more := after - before:
            yield Change(place, f"also takes {_list(more)}", is_breaking=False)


def _enum(schema: Schema) -> set[str] | None:
    found = [schema["const"]] if "const" in schema else schema.get("enum")
    return {json.dumps(each, sort_keys=True) for each in found} if isinstance(found, list) else None


def _list(values: set[str]) -> str:
    shown = sorted(values)[:8]
    return ", ".join(each[:60] for each in shown) + (" …" if len(values) > len(shown) else "")


def _limits(old: Schema, new: Schema, place: str) -> Iterator[Change]:
    for names, is_lower_wider in ((AT_LEAST, True), (AT_MOST, False)):
        for name in names:
            before, after = _number(old, name), _number(new, name)
            if before == after:
                continue
            told = f"{name} {'none' if before is None else before} becomes "
            told += "none" if after is None else str(after)
            is_wider = after is None or (before is not None and (after < before) == is_lower_wider)
            yield Change(place, told, is_breaking=not is_wider)


def _number(schema: Schema, name: str) -> float | None:
    found = schema.get(name)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def _additional(old: Schema, new: Schema, place: str) -> Iterator[Change]:
    before, after = (each.get("additionalProperties", True) for each in (old, new))
    if before == after:
        return
    if after is False:
        yield Change(place, "takes no unknown arguments any more", is_breaking=True)
    elif after is True or after == {}:
        yield Change(place, "takes unknown arguments", is_breaking=False)
    else:
        yield Change(place, "takes other unknown arguments", is_breaking=True)


def _properties(old: _Side, new: _Side, place: str, depth: int) -> Iterator[Change]:
    before, after = _dict(old.part, "properties"), _dict(new.part, "properties")
    needed, needs = _names(old.part), _names(new.part)
    for name in [*before, *(each for each in after if each not in before)]:
        here = f"{place}.{name[:80]}" if place else name[:80]
        if name not in after:
            yield Change(here, GONE, is_breaking=True)
        elif name not in before:
            what = "added, required" if name in needs else OPTIONAL
            yield Change(here, what, is_breaking=name in needs)
        else:
            if name in needs and name not in needed:
                yield Change(here, "required now", is_breaking=True)
            if name in needed and name not in needs:
                yield Change(here, "optional now", is_breaking=False)
            children = (old.child(before[name]), new.child(after[name]))
            yield from _compare(*children, here, depth + 1)
    for name in sorted(needs - needed - before.keys() - after.keys()):
        yield Change(f"{place}.{name}" if place else name, "required now", is_breaking=True)


def _dict(schema: Schema, name: str) -> dict[str, Any]:
    found = schema.get(name)
    return found if isinstance(found, dict) else {}


def _names(schema: Schema) -> set[str]:
    found = schema.get("required")
    return {str(each) for each in found} if isinstance(found, list) else set()


def _others(old: Schema, new: Schema, place: str) -> Iterator[Change]:
    """Rules that are not compared in their parts: only whether they are there still."""
    for name in sorted((old.keys() | new.keys()) - KNOWN - {"const"}):
        if old.get(name) == new.get(name) and (name in old) == (name in new):
            continue
        if name not in new:
            yield Change(place, f"the rule {name[:40]} is gone", is_breaking=False)
        else:
            how = "changed" if name in old else "is new"
            yield Change(place, f"the rule {name[:40]} {how}", is_breaking=True)


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The lines of a diff between two versions of a tool: its words, hints and schemas."""
    lines = difflib.unified_diff(_lines(old), _lines(new), "accepted", "proposed", lineterm="", n=2)
    return list(lines)[: 2 * MOST_LINES]


def _lines(tool: Mapping[str, Any]) -> list[str]:
    text = json.dumps(
        {name: tool.get(name) for name in PARTS}, indent=1, sort_keys=True, ensure_ascii=False
    )
    # A description is one line of JSON, which nobody can compare.
    found = text.replace("\\n", "\n    ").splitlines()[:MOST_LINES]
    return [part for line in found for part in _parts_of(line)][:MOST_LINES]


def _parts_of(line: str) -> list[str]:
    starts = range(0, len(line), LONGEST_LINE) or range(1)
    return [line[at : at + LONGEST_LINE] for at in starts][:50]
