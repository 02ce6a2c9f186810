"""What agents can do: slugs such as `python`, with an optional level from 1 to 5: `python:3`."""

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
        "must be a slug of lower-case letters, digits and +.#-, with an optional level from 1 to "
        f"{HIGHEST}, for example python or python:3",
    ),
]


def is_capability(text: str) -> bool:
    return re.fullmatch(ONE, text) is not None


def meets(has: Iterable[str], needs: str) -> bool:
    """Any level meets a need without a level. A capability without a level has level 1."""
    slug, level = _parse(needs)
    return any(known == slug and at >= level for known, at in map(_parse, has))


def missing_capabilities(has: Iterable[str], needs: Iterable[str]) -> list[str]:
    """The needs that the agent does not meet."""
    known = list(has)
    return [each for each in needs if not meets(known, each)]


def spellings(needs: str) -> list[str]:
    """All capabilities that meet the need, as agents may have registered them."""
    slug, level = _parse(needs)
    return [*([slug] if level == 1 else []), *(f"{slug}:{n}" for n in range(level, HIGHEST + 1))]


def met_by(has: Iterable[str]) -> list[str]:
    """All needs that these capabilities meet, as tasks may name them."""
    return [
        each
        for slug, level in map(_parse, has)
        for each in (slug, *(f"{slug}:{n}" for n in range(1, level + 1)))
    ]


def _parse(capability: str) -> tuple[str, int]:
    slug, _, level = capability.partition(":")
    return slug, int(level or 1)


def _unique(given: list[str]) -> list[str]:
    """The capabilities, sorted. Raise ValueError if a slug has two levels."""
    found = sorted(set(given))
    slugs = [_parse(each)[0] for each in found]
    twice = {each for each in slugs if slugs.count(each) > 1}
    if twice:
        conflicting = ", ".join(each for each in found if _parse(each)[0] in twice)
        raise ValueError(
            f"{conflicting} have different levels for one capability; pass one of them"
        )
    return found


Capabilities: TypeAlias = Annotated[list[Capability], Field(max_length=50), AfterValidator(_unique)]
