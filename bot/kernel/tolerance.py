"""Takes arguments in the forms that hosts of models send beside the right one.

Some hosts send null for every optional argument. Some models send a list or an object as JSON in a
string. Both say clearly what is meant.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.kernel import argument_errors
from bot.kernel.argument_errors import Place

T = TypeVar("T")

# What JSON in a string must contain, by pydantic's type of the error.
WANTED: dict[str, type] = {
    "list_type": list,
    "dict_type": dict,
    "model_type": dict,
    "model_attributes_type": dict,
}
# Strings inside of strings. Each level takes a round.
ROUNDS = 5
LEFT_OUT = object()


class InvalidArguments(Exception):
    """`error` describes `given`: the arguments after everything that could be repaired was."""

    def __init__(self, error: ValidationError, given: Any) -> None:
        super().__init__(str(error))
        self.error = error
        self.given = given


def validate(read: Callable[[Any], T], given: Any, model: type[BaseModel]) -> T:
    """What `read` makes of the arguments. Raise InvalidArguments."""
    for left in reversed(range(ROUNDS)):
        try:
            return read(given)
        except ValidationError as exc:
            repaired = _repair(exc, given, model) if left else given
            if repaired is given:
                raise InvalidArguments(exc, given) from exc
            given = repaired
    raise AssertionError("the last round returns or raises")


def _repair(exc: ValidationError, given: Any, model: type[BaseModel]) -> Any:
    """Copy the arguments with each wrong value in its right form. `given` itself: there is none."""
    changes: dict[Place, Any] = {}
    for each in exc.errors(include_url=False):
        place = argument_errors.place_of(each, given)
        meant = _right_form(each, place, _at(given, place), model)
        if meant is not None:
            changes[place] = meant
    for place, value in changes.items():
        given = _with(given, place, value)
    return given


def _right_form(error: ErrorDetails, place: Place, value: Any, model: type[BaseModel]) -> Any:
    """The value in its right form. None: only the caller knows."""
    if value is None:
        return LEFT_OUT if argument_errors.is_field(model, place) else None
    wanted = WANTED.get(error["type"])
    if wanted is None or not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return None
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, wanted) else None


def _at(given: Any, place: Place) -> Any:
    for part in place:
        # A missing argument has a place, but no value.
        if isinstance(given, dict) and part not in given:
            return LEFT_OUT
        given = given[part]
    return given


def _with(given: Any, place: Place, value: Any) -> Any:
    """A copy with another value there. What is not on the way is shared with the original."""
    if not place:
        return value
    part, rest = place[0], place[1:]
    copy = given.copy()
    if not rest and value is LEFT_OUT:
        del copy[part]
    else:
        copy[part] = _with(given[part], rest, value)
    return copy
