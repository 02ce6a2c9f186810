"""Versions of plug-ins and of Hubbub, and ranges of them such as `>=0.1,<0.2`."""

import operator
import re
from collections.abc import Callable
from typing import TypeAlias

Version: TypeAlias = tuple[int, int, int]

NUMBER = r"(?:0|[1-9][0-9]{0,5})"
VERSION = rf"{NUMBER}(?:\.{NUMBER}){{1,2}}"
VERSION_WORDS = "must be a version such as 1.2 or 1.2.3"
BOUND = rf"(?:>=|>|<=|<|==) ?{VERSION}"
RANGE = rf"{BOUND}(?:, ?{BOUND}){{0,3}}"
RANGE_WORDS = 'must be bounds of versions such as ">=1.0,<2.0"'
TESTS: dict[str, Callable[[Version, Version], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}
OF_BOUND = re.compile(rf"(>=|>|<=|<|==) ?({VERSION})")


def parse(version: str) -> Version:
    """`1.2` is the same as `1.2.0`."""
    numbers = [*map(int, version.split(".")), 0]
    return numbers[0], numbers[1], numbers[2]


def fits(version: str, bounds: str) -> bool:
    """Whether the version is within all of the bounds."""
    return all(
        TESTS[comparison](parse(version), parse(limit))
        for comparison, limit in OF_BOUND.findall(bounds)
    )
