"""The condition of a step: a reference alone, with `not`, or compared with a value. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.kernel.references import from_json
from bot.repository.composed_tools.references import Missing, Reference, parse

CONDITION = re.compile(
    r"(?P<no>not\s+)?(?P<path>[^\s=<>!]{1,400})(\s*(?P<sign>==|!=|<=|>=|<|>|\bin\b)\s*(?P<value>\S.*))?",
    re.DOTALL,
)
ALLOWED = "write for example steps.found.result.total > 0, or not arguments.quick"


@dataclass(frozen=True)
class Condition:
    """`sign`: '' for the reference alone."""

    reference: Reference
    is_negated: bool = False
    sign: str = ""
    value: Any = None


def read(text: str) -> Condition | None:
    """The condition, or None if it is none."""
    found = CONDITION.fullmatch(text.strip())
    reference = parse(found["path"]) if found else None
    if found is None or reference is None:
        return None
    if not found["sign"]:
        return Condition(reference, bool(found["no"]))
    try:
        value = from_json(found["value"].strip())
    except ValueError:
        return None
    return None if found["no"] else Condition(reference, sign=found["sign"], value=value)


def holds(condition: Condition, find: Callable[[Reference], Any]) -> bool:
    """Whether it holds. A reference that leads to nothing is null."""
    try:
        value = find(condition.reference)
    except Missing:
        value = None
    if not condition.sign:
        return bool(value) is not condition.is_negated
    return _compare(value, condition.sign, condition.value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_same(a: Any, b: Any) -> bool:
    """As JSON compares: true is not 1."""
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def _compare(a: Any, sign: str, b: Any) -> bool:
    if sign in ("==", "!="):
        return _is_same(a, b) is (sign == "==")
    if sign == "in":
        return isinstance(b, list) and any(_is_same(a, each) for each in b)
    if not (_is_number(a) and _is_number(b)) and not (isinstance(a, str) and isinstance(b, str)):
        return False
    return bool({"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign])
