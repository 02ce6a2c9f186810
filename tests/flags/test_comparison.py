"""When a flag falls back, and for which installations a share turns it on. Values alone."""

import random

import pytest

from bot.flags import comparison, rollout, setting
from bot.flags.comparison import is_worse
from bot.flags.known import FLAGS, MCP_FAST_PATH
from bot.settings import WrongSettings
from store.flags.feature_flags import EVERYWHERE
from store.flags.flag_counts import Count
from store.tables.flags import FeatureFlagRow, FlagState


@pytest.mark.parametrize(
    ("on", "off", "worse"),
    [
        # calls, errors
        ((200, 40), (2000, 10), True),
        ((1000, 60), (9000, 90), True),
        ((50, 50), (50, 0), True),
        # Everything fails on both sides.
        ((100, 100), (100, 100), False),
        # Nothing fails.
        ((1000, 0), (1000, 0), False),
        # It is better.
        ((1000, 10), (1000, 60), False),
        # Too few calls, or too few errors, to say anything.
        ((49, 49), (5000, 0), False),
        ((5000, 4), (50_000, 0), False),
        ((500, 100), (40, 0), False),
        # Within what chance does.
        ((100, 5), (1000, 20), False),
        # Certain, but too small to matter.
        ((1_000_000, 7000), (1_000_000, 3000), False),
    ],
)
def test_a_flag_is_worse_only_by_a_clear_difference(
    on: tuple[int, int],
    off: tuple[int, int],
    worse: bool,  # noqa: FBT001
) -> None:
    assert is_worse(Count(*on), Count(*off)) is worse


def first_look(rate_on: float, rate_off: float, seed: int) -> int | None:
    """At which of the looks of a day a flag falls back: 10 calls in a look, a tenth of them on."""
    chance = random.Random(seed)  # noqa: S311
    on, off = Count(), Count()
    for look in range(2880):
        on.add(is_error=chance.random() < rate_on)
        for _ in range(9):
            off.add(is_error=chance.random() < rate_off)
        if is_worse(on, off):
            return look
    return None


def test_chance_alone_hardly_ever_turns_a_flag_off_and_a_fault_does_within_the_day() -> None:
    """Of 40 days of canaries each. An hour has 120 looks."""
    by_chance = [first_look(0.02, 0.02, seed) for seed in range(40)]
    assert sum(found is not None for found in by_chance) == 0
    broken = [first_look(0.30, 0.02, seed) for seed in range(40)]
    assert all(found is not None and found < 120 for found in broken)


def test_the_evidence_is_in_words() -> None:
    assert comparison.describe(Count(200, 40), Count(2000, 10)) == (
        "With it on 40 of 200 calls failed (20.0 %), with it off 10 of 2000 (0.5 %)."
    )
    assert "with it off 0 of 0 (no calls)" in comparison.describe(Count(1, 1), Count())


def row(installation_id: int, state: FlagState, percentage: int = 100) -> FeatureFlagRow:
    return {
        "installation_id": installation_id,
        "name": MCP_FAST_PATH,
        "state": state,
        "percentage": percentage,
        "changed_at": 0,
        "changed_by": "operator",
        "why": "",
    }


def on_for(*rows: FeatureFlagRow) -> set[int]:
    """Of the first thousand installations."""
    known = {(each["installation_id"], each["name"]): each for each in rows}
    return {i for i in range(1, 1001) if rollout.is_on(known, MCP_FAST_PATH, i)}


def test_a_share_is_the_same_installations_everywhere_and_grows_without_losing_any() -> None:
    tenth, half = on_for(row(EVERYWHERE, "on", 10)), on_for(row(EVERYWHERE, "on", 50))
    assert tenth < half < on_for(row(EVERYWHERE, "on"))
    assert (len(tenth), len(half)) == (83, 487)
    other = {i for i in range(1, 1001) if rollout.place("joint_requests", i) < 10}
    assert len(tenth & other) < 30, "each flag has an order of its own"


def test_what_is_set_for_an_installation_has_priority() -> None:
    everybody = set(range(1, 1001))
    assert on_for() == everybody, "the default"
    assert on_for(row(EVERYWHERE, "off"), row(7, "on")) == {7}
    assert on_for(row(EVERYWHERE, "on"), row(7, "off")) == everybody - {7}
    assert on_for(row(EVERYWHERE, "fallen_back"), row(7, "on")) == {7}
    assert on_for(row(7, "fallen_back")) == everybody - {7}


@pytest.mark.parametrize(
    ("text", "state", "percentage"),
    [
        ("on", "on", 100),
        ("off", "off", 0),
        ("10%", "on", 10),
        ("0%", "off", 0),
        ("100%", "on", 100),
    ],
)
def test_a_value_is_on_off_or_a_share(text: str, state: str, percentage: int) -> None:
    value = setting.parse(text)
    assert (value.state, value.percentage) == (state, percentage)


@pytest.mark.parametrize("text", ["", "10", "101%", "-1%", "On", "yes", "1e1%"])
def test_another_value_is_refused(text: str) -> None:
    with pytest.raises(WrongSettings, match="must be on, off, or a share such as 10%"):
        setting.parse(text)


def test_the_default_of_each_flag_is_the_path_that_is_in_use() -> None:
    assert {name: each.is_on for name, each in FLAGS.items()} == {
        "mcp_fast_path": True,
        "joint_requests": True,
    }
