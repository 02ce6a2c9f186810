"""What a run may use, together with all runs above and below it."""

from dataclasses import asdict, fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import Refused
from bot.repository.run_settings import RunLimits
from bot.runs import limits
from bot.runs.limits import Limits
from bot.times import MINUTE
from store.runs import runs
from store.runs.runs import Used
from store.tables.runs import AgentRunRow
from tests.support.sampling import examples

NOW = 1_000 * MINUTE


def a_run(n: int, parent: AgentRunRow | None, allowed: Limits, **more: Any) -> AgentRunRow:
    row: dict[str, Any] = dict.fromkeys(AgentRunRow.__annotations__)
    row |= {
        "id": f"r_{n:03}",
        "agent_id": f"actions-fixer-{n}",
        "parent_id": parent and parent["id"],
        "depth": parent["depth"] + 1 if parent else 0,
        **asdict(allowed),
        **more,
    }
    found: Any = row
    run: AgentRunRow = found
    return run


def chain(*allowed: Limits) -> list[AgentRunRow]:
    """A run, one below it, and so on."""
    found: list[AgentRunRow] = []
    for n, each in enumerate(allowed):
        found.append(a_run(n, found[-1] if found else None, each))
    return found


def test_what_is_left_is_the_least_of_a_run_and_those_above_it() -> None:
    everybody = chain(Limits(60, 10, 3, 1000, 500), Limits(60, 10, 3, 900, None))
    used = {
        "actions-fixer-0": Used(tokens=300, cost=100),
        "actions-fixer-1": Used(tokens=400, cost=50),
    }
    assert limits.left_of(everybody, everybody[1], used, NOW) == Limits(60, 9, 3, 300, 350)
    assert limits.left_of(everybody, everybody[0], used, NOW) == Limits(60, 9, 3, 300, 350)


def test_minutes_count_from_the_start_of_a_run() -> None:
    (run,) = chain(Limits(minutes=60))
    run["deadline_at"] = NOW + 10 * MINUTE - 1
    assert limits.left_of([run], run, {}, NOW).minutes == 9


@pytest.mark.parametrize(
    ("left", "which"),
    [
        (Limits(deepest=1), "depth"),
        (Limits(children=0), "children"),
        (Limits(minutes=0), "minutes"),
        (Limits(tokens=0), "tokens"),
        (Limits(tokens=-5), "tokens"),
        (Limits(cost=0), "cost"),
    ],
)
def test_a_run_without_anything_left_starts_none(left: Limits, which: str) -> None:
    with pytest.raises(Refused) as refused:
        limits.for_child(Limits(), left, 2)
    assert (refused.value.code, refused.value.details["limit"]) == ("run_limit", which)


AMOUNT = st.none() | st.integers(1, 40)
WANTED = st.builds(Limits, AMOUNT, st.none() | st.integers(0, 8), st.none(), AMOUNT, AMOUNT)
# A step: which run acts; it spends, time passes, or it starts a run with these limits.
STEPS = st.lists(
    st.tuples(st.integers(0, 99), st.integers(0, 12), st.integers(0, 9), WANTED), max_size=30
)


@settings(max_examples=examples(60), deadline=None)
@given(WANTED, st.integers(0, 4), STEPS)
def test_no_run_is_ever_given_more_than_is_left_above_it(
    root: Limits, depth: int, steps: list[tuple[int, int, int, Limits]]
) -> None:
    """Nor are there ever more runs, or deeper ones, than any run above allows."""
    now, used = NOW, dict[str, Used]()
    everybody = [a_run(0, None, replace(root, deepest=depth))]
    _begin(everybody[0], None, now)
    for who, spent, minutes, wanted in steps:
        now += minutes * MINUTE
        parent = everybody[who % len(everybody)]
        before = used.get(parent["agent_id"], Used(tokens=0, cost=0))
        used[parent["agent_id"]] = Used(tokens=before["tokens"] + spent, cost=before["cost"])
        left = limits.left_of(everybody, parent, used, now)
        try:
            allowed = limits.for_child(wanted, left, parent["depth"] + 1)
        except Refused:
            continue
        child = a_run(len(everybody), parent, allowed)
        _begin(child, parent, now)
        everybody.append(child)
        _check_is_within(allowed, left)
        _check_tree(everybody)


def _begin(run: AgentRunRow, parent: AgentRunRow | None, now: int) -> None:
    ends = [now + run["minutes"] * MINUTE] if run["minutes"] else []
    ends += [parent["deadline_at"]] if parent and parent["deadline_at"] else []
    run["deadline_at"] = min(ends, default=None)


def _check_is_within(allowed: Limits, left: Limits) -> None:
    for each in fields(Limits):
        given, most = getattr(allowed, each.name), getattr(left, each.name)
        assert most is None or (given is not None and 0 <= given <= most), each.name


def _check_tree(everybody: list[AgentRunRow]) -> None:
    for run in everybody:
        subtree = runs.below(everybody, run["id"])
        assert run["children"] is None or len(subtree) - 1 <= run["children"]
        for each in subtree:
            assert run["deepest"] is None or each["depth"] <= run["deepest"]
            assert run["deadline_at"] is None or (each["deadline_at"] or 0) <= run["deadline_at"]
            assert run["tokens"] is None or (each["tokens"] or 0) <= run["tokens"]


def test_the_limits_of_a_template_count_levels_from_the_run() -> None:
    given = RunLimits(minutes=5, children=2, depth=3, tokens=7, cost="0.5")
    assert limits.of_template(given, depth=1) == Limits(5, 2, 4, 7, 500_000)
