"""Says what is wrong with arguments and what to pass instead. Pure functions."""

import json
import math
import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, TypeAlias, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.kernel import patterns

Place: TypeAlias = tuple[str | int, ...]

MUST = {
    "a number": ("float_type", "float_parsing", "finite_number"),
    "a whole number": ("int_type", "int_parsing", "int_parsing_size", "int_from_float"),
    "an object": ("dict_type", "model_type", "model_attributes_type"),
    "at least {ge}": ("greater_than_equal",),
    "at most {le}": ("less_than_equal",),
    "less than {lt}": ("less_than",),
    "more than {gt}": ("greater_than",),
    "a string without half of a surrogate pair": ("string_unicode",),
    "a string": ("string_type",),
    "true or false": ("bool_type", "bool_parsing"),
}
# By pydantic's type of the error. Each continues a sentence that begins with the argument's name.
REASONS = {kind: f"must be {words}" for words, kinds in MUST.items() for kind in kinds} | {
    "missing": "is missing",
    "extra_forbidden": "is unknown",
    "union_tag_not_found": "has no {discriminator}",
    "union_tag_invalid": "has a wrong {discriminator}; pass one of {expected_tags}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must not be empty",
    "too_few": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
}
# What agents call the same thing. The operations name each argument for what they take.
SYNONYMS = (
    ("task", "issue", "pull_request", "pull", "number"),
    ("body", "text", "comment", "message"),
    ("repository", "repo"),
    ("agent_id", "agent", "name"),
)
NAMES = frozenset({"missing", "extra_forbidden"})
# Characters of a name or a value in a message.
SHOWN = 80
MOST = 20


def problems(exc: ValidationError, given: Any, model: type[BaseModel]) -> dict[str, str]:
    """What is wrong, by the path of the argument, for example `files.0.path`.

    Each text continues a sentence that begins with the path. The path of all arguments is ''.
    """
    found: dict[Place, list[ErrorDetails]] = {}
    for each in exc.errors(include_url=False):
        found.setdefault(place_of(each, given), []).append(each)
    # If an argument can have one of several types, only the errors inside of it help.
    outer = {place[:n] for place in found for n in range(len(place))}
    words = {
        _place_name(place): " or ".join(dict.fromkeys(_reasons(place, errors, model)))
        for place, errors in found.items()
        if place not in outer
    }
    return dict(list(words.items())[:MOST])


def has_wrong_name(exc: ValidationError) -> bool:
    """Whether an argument is missing or does not exist."""
    found = exc.errors(include_url=False, include_input=False)
    return any(each["type"] in NAMES and len(each["loc"]) == 1 for each in found)


def parameter_names(model: type[BaseModel]) -> str:
    """The names of the arguments. A ? marks an optional one."""
    fields = model.model_fields.items()
    return ", ".join(n if each.is_required() else f"{n}?" for n, each in fields) or "nothing"


def place_of(error: ErrorDetails, given: Any) -> Place:
    """The path of the error, without the names that pydantic adds for each possible type."""
    place: list[str | int] = []
    for part in error["loc"]:
        there = part in given if isinstance(given, dict) else isinstance(given, list)
        if there and (isinstance(given, dict) or isinstance(part, int)):
            given = given[part]
            place.append(part)
        elif error["type"] == "missing" and part == error["loc"][-1]:
            place.append(part)
    return tuple(place)


MOST_PARTS = 20
# Contents of files and of contexts. They may have any character.
ANY_CHARACTER = "content"


# Levels of all arguments: some more than a context may have. Python gives up at some hundreds.
DEEPEST = 120


def wrong_value(value: Any) -> tuple[str, str] | None:
    """The path of the first value that cannot be stored or sent on, and what is wrong with it.

    Such as a string with a NUL, which GitHub and some databases do not take.
    """
    return _wrong_value(value, (), has_any_character=False)


def _wrong_value(value: Any, place: Place, *, has_any_character: bool) -> tuple[str, str] | None:
    if isinstance(value, str):
        why = _wrong_text(value, has_any_character=has_any_character)
    elif isinstance(value, float):
        why = "" if math.isfinite(value) else "must be a number that JSON has"
    else:
        why = f"is nested more than {DEEPEST} levels deep" if len(place) > DEEPEST else ""
    if why:
        return _place_name(place), why
    for name, each in _parts(value):
        is_wrong = isinstance(name, str) and not _is_unicode(name)
        if is_wrong:
            return _place_name((*place, name)), HALF
        any_character = has_any_character or name == ANY_CHARACTER
        if found := _wrong_value(each, (*place, name), has_any_character=any_character):
            return found
    return None


HALF = "must not contain half of a surrogate pair"


def _wrong_text(text: str, *, has_any_character: bool) -> str:
    if "\0" in text and not has_any_character:
        return "must not contain the character NUL (U+0000)"
    return "" if _is_unicode(text) else HALF


def _is_unicode(text: str) -> bool:
    """JSON can spell halves of surrogate pairs, and no database and no request takes them."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parts(value: Any) -> Iterable[tuple[Any, Any]]:
    """The parts of a value by name. Those of a model are what was given, without the defaults."""
    if isinstance(value, BaseModel):
        given = value.model_fields_set
        return [each for each in value if each[0] in given] if given else ()
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list | tuple) else ()


def _place_name(place: Place) -> str:
    shown = [str(part)[:SHOWN] for part in place[:MOST_PARTS]]
    return ".".join(shown).encode(errors="replace").decode()


def _reasons(place: Place, errors: list[ErrorDetails], model: type[BaseModel]) -> list[str]:
    chosen = [name for each in errors for name in _choices(each)]
    if chosen:
        return [f"must be {_either(chosen)}{nearest(errors[0]['input'], chosen)}"]
    return [_reason(place, each, model) for each in errors]


def _reason(place: Place, error: ErrorDetails, model: type[BaseModel]) -> str:
    kind, given = error["type"], error["input"]
    if kind == "extra_forbidden":
        known = _model(model, place[:-1])
        meant = _likeliest(place[-1], [*known.model_fields])
        inside = f"; {_place_name(place[:-1])} has {parameter_names(known)}" if place[1:] else ""
        return REASONS[kind] + meant + inside
    if kind == "list_type":
        return f"must be a list{_list_hint(_item_type(model, place), given)}"
    if kind == patterns.KIND:
        return error["msg"]
    if kind in REASONS:
        limits = {name: _plain(value) for name, value in error.get("ctx", {}).items()}
        kind = "too_few" if kind == "too_short" and limits["min_length"] > 1 else kind
        return REASONS[kind].format(**limits)
    return "is wrong: " + error["msg"].removeprefix("Value error, ")


def _plain(limit: Any) -> Any:
    """50 for 50.0."""
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit


def _list_hint(item: Any, given: Any) -> str:
    """What the list should be, as far as the given value shows it."""
    inner = _within(item)
    if inner is not None:
        return f" of objects, each with {parameter_names(inner)}"
    if not isinstance(given, str) or not 0 < len(given) <= SHOWN:
        return ""
    if given.lstrip()[:1] in ("[", "{"):
        return "; the string is not a JSON list"
    words = [each.strip() for each in given.split(",")]
    return f", for example {json.dumps([each for each in words if each], ensure_ascii=False)}"


def _item_type(model: type[BaseModel], place: Place) -> Any:
    """The type of the items of the list at this place."""
    if not is_field(model, place):
        return None
    return _list_item(_model(model, place[:-1]).model_fields[str(place[-1])].annotation)


def _list_item(kind: Any) -> Any:
    if get_origin(kind) is list:
        return get_args(kind)[0]
    return next(filter(None, map(_list_item, get_args(kind))), None)


def _choices(error: ErrorDetails) -> list[str]:
    if error["type"] != "literal_error":
        return []
    return re.findall(r"'([^']*)'", error["ctx"]["expected"])


def _either(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def nearest(given: Any, known: list[str]) -> str:
    """A question with the likeliest name, or ''. A number may have too many digits to print."""
    near = get_close_matches(given[:SHOWN], known, 1) if isinstance(given, str) else []
    return f" (did you mean {near[0]}?)" if near else ""


def _likeliest(given: Any, known: list[str]) -> str:
    """A question with the argument of another name for the same thing, or with a similar name."""
    same = next((names for names in SYNONYMS if given in names), ())
    other = [name for name in known if name in same]
    return f" (did you mean {other[0]}?)" if other else nearest(given, known)


def is_field(model: type[BaseModel], place: Place) -> bool:
    """Whether the place is a field of a model, and not an item or a key of data."""
    return bool(place) and place[-1] in _model(model, place[:-1]).model_fields


def _model(model: type[BaseModel], place: Place) -> type[BaseModel]:
    for part in place:
        if isinstance(part, str) and part in model.model_fields:
            model = _within(model.model_fields[part].annotation) or model
    return model


def _within(kind: Any) -> type[BaseModel] | None:
    """The model inside of a type such as `list[Model] | None`."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next(filter(None, map(_within, get_args(kind))), None)
