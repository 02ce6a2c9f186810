"""What agents can do: slugs, each with a level from 1 to 5 if that matters, as `python:3`."""

import re
from collections.abc import Iterable
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from bot.kernel.patterns import Shape

HIGHEST = 5
ONE = rf"[a-z0-9][a-z0-9+.#-]{{0,62}}(:[1-{HIGHEST}])?"

Capability: TypeAlias = Annotated[
    str,
    Field(description="python, python:3"),
    Shape(
        f"^{ONE}$",
        "must be a slug of lower-case letters, digits and +.#-, with a level from 1 to "
        f"{HIGHEST} where that matters, as python or python:3",
    ),
]


def is_one(text: str) -> bool:
    return re.fullmatch(ONE, text) is not None


def meets(has: Iterable[str], needs: str) -> bool:
    """A need without a level is met by any; without one a capability is of level 1."""
    slug, level = _parted(needs)
    return any(known == slug and at >= level for known, at in map(_parted, has))


def lacking(has: Iterable[str], needs: Iterable[str]) -> list[str]:
    """The needs that are not met."""
    known = list(has)
    return [each for each in needs if not meets(known, each)]


def spellings(needs: str) -> list[str]:
    """What meets the need, as agents may have registered it."""
    slug, level = _parted(needs)
    return [*([slug] if level == 1 else []), *(f"{slug}:{n}" for n in range(level, HIGHEST + 1))]


def met_by(has: Iterable[str]) -> list[str]:
    """Every need that what an agent has meets, as tasks may name it."""
    return [
        each
        for slug, level in map(_parted, has)
        for each in (slug, *(f"{slug}:{n}" for n in range(1, level + 1)))
    ]


def _parted(capability: str) -> tuple[str, int]:
    slug, _, level = capability.partition(":")
    return slug, int(level or 1)


def _once_each(given: list[str]) -> list[str]:
    """Sorted. Raise ValueError for a slug that is given twice with different levels."""
    found = sorted(set(given))
    slugs = [_parted(each)[0] for each in found]
    twice = {each for each in slugs if slugs.count(each) > 1}
    if twice:
        said = ", ".join(each for each in found if _parted(each)[0] in twice)
        raise ValueError(f"{said} say different levels of the same: give each once")
    return found


Capabilities: TypeAlias = Annotated[
    list[Capability], Field(max_length=50), AfterValidator(_once_each)
]
