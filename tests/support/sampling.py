"""How many cases and random examples the longest tests play.

`make test` plays a share of cases that resemble each other, and a few random examples.
HUBBUB_TEST_LONG=1 plays all cases, and ten times as many examples.
"""

import os
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

LONG = bool(os.environ.get("HUBBUB_TEST_LONG"))


def examples(few: int) -> int:
    return few * 10 if LONG else few


def sample(cases: Iterable[T], one_in: int, place: int) -> list[T]:
    """One of every `one_in` cases. Each `place` gets others."""
    return list(cases) if LONG else list(cases)[place % one_in :: one_in]
