"""Capabilities for all values, not for some."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from bot.tasks.capabilities import Capabilities, Capability, meets, missing_capabilities

CAPABILITY = TypeAdapter[str](Capability)
CAPABILITIES = TypeAdapter[list[str]](Capabilities)
SLUGS = st.from_regex(r"[a-z0-9][a-z0-9+.#-]{0,62}", fullmatch=True)
FEW = st.sampled_from(["python", "py", "c++", "c#", "go"])
LEVELS = st.integers(1, 5)
WRITTEN = st.builds(lambda slug, level: f"{slug}:{level}", FEW, LEVELS) | FEW


@given(SLUGS, LEVELS)
def test_a_slug_with_or_without_a_level_is_a_capability(slug: str, level: int) -> None:
    assert CAPABILITY.validate_python(slug) == slug
    assert CAPABILITY.validate_python(f"{slug}:{level}") == f"{slug}:{level}"


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "Python",
        "-python",
        "python:",
        "python:0",
        "python:6",
        "python:10",
        "python:-1",
        "python:3:4",
        "python: 3",
        "python:3\n",
        "python\n",
        "py thon",
        "pythön",
        "python:٣",
        "p" * 64,
    ],
)
def test_what_is_no_slug_with_a_level_from_1_to_5_is_no_capability(wrong: str) -> None:
    with pytest.raises(ValidationError):
        CAPABILITY.validate_python(wrong)


@given(FEW, LEVELS, LEVELS)
def test_a_level_is_met_by_itself_and_by_those_above(slug: str, has: int, needs: int) -> None:
    assert meets([f"{slug}:{has}"], f"{slug}:{needs}") == (has >= needs)


@given(FEW, LEVELS)
def test_a_need_without_a_level_is_met_by_any(slug: str, level: int) -> None:
    assert meets([f"{slug}:{level}"], slug)
    assert meets([slug], slug)


@given(FEW, LEVELS)
def test_without_a_level_a_capability_is_of_the_first(slug: str, level: int) -> None:
    assert meets([slug], f"{slug}:{level}") == (level == 1)


@given(st.lists(WRITTEN), WRITTEN)
def test_other_capabilities_meet_no_need(has: list[str], needs: str) -> None:
    slug = needs.partition(":")[0]
    others = [each for each in has if each.partition(":")[0] != slug]
    assert not meets(others, needs)


@given(st.lists(WRITTEN), st.lists(WRITTEN), st.lists(WRITTEN))
def test_whoever_can_more_lacks_no_more(has: list[str], more: list[str], needs: list[str]) -> None:
    lacks = missing_capabilities(has, needs)
    assert lacks == [each for each in needs if not meets(has, each)]
    assert set(missing_capabilities([*has, *more], needs)) <= set(lacks)
    assert missing_capabilities(has, has) == []


@given(st.lists(WRITTEN, max_size=50))
def test_a_slug_stands_once_among_what_an_agent_registers(given: list[str]) -> None:
    slugs = {each.partition(":")[0] for each in given}
    if len(set(given)) == len(slugs):
        assert CAPABILITIES.validate_python(given) == sorted(set(given))
    else:
        with pytest.raises(ValidationError, match="have different levels for one capability"):
            CAPABILITIES.validate_python(given)
