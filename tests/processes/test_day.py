"""The simulated day of the benchmarks, made small: its story ends, and its eyes see."""

from dataclasses import replace

import pytest

from tests.benchmarks.day import (
    HOUR,
    MINUTE,
    Plan,
    begin,
    broken_limits,
    duplicates,
    most_within,
    play,
    poll_through,
    through_hubbub,
    wrong_ends,
)
from tests.support.story import Workspace

PLAN = Plan(agents=2, issues=3, before=2, hours=3)


async def test_a_small_day_breaks_no_rule_on_sqlite_as_the_benchmark_plays_it() -> None:
    found = await through_hubbub(PLAN)
    assert found.broken == []
    assert 0 < found.completed <= PLAN.issues
    assert found.ours.writes < sum(found.sent.values()), "some writes share a request"
    polled = await poll_through(found.deeds, found.agents, PLAN, found.began)
    assert polled.kinds["PUT /repos/{owner}/{repo}/contents/{path}"] == found.happened["commit"]
    assert polled.reads > PLAN.agents * PLAN.hours * 60
    assert found.ours.all < polled.all / 4
    assert found.overhead.in_calls > 0
    assert 0 < found.overhead.for_writes < found.overhead.working


async def test_the_same_seed_tells_the_same_story_on_sqlite_as_the_benchmark_plays_it() -> None:
    plan = replace(PLAN, issues=2, before=2, hours=1)
    told = [await through_hubbub(plan) for _ in range(2)]
    first, second = ([(d.agent, d.kind, d.task) for d in each.deeds] for each in told)
    assert first == second
    assert {kind for _, kind, _ in first} >= {"claim", "report"}


async def test_an_effect_that_is_there_twice_is_seen(workspace: Workspace) -> None:
    day = await begin(workspace, replace(PLAN, issues=1, before=1, hours=0.3))
    await play(day)
    (issue,) = day.issues()
    card = next(each for each in issue.comments if each.user.login.endswith("[bot]"))
    assert duplicates(day) == []
    again = day.people[0].comment(issue, card.body)
    again.user = card.user
    assert any(each.startswith("card of") for each in duplicates(day))


async def test_an_end_that_nobody_meant_is_seen(workspace: Workspace) -> None:
    day = await begin(workspace, replace(PLAN, issues=1, before=1))
    (issue,) = day.issues()
    name = f"{issue.repository.full_name}#1"
    assert await wrong_ends(day) == [f"{name}: pending, meant None"]


async def test_a_limit_that_was_passed_is_seen(workspace: Workspace) -> None:
    assert broken_limits(workspace) == []
    workspace.github.limits.exceeded.append("77 at 1: a secondary limit, for 60 s")
    assert broken_limits(workspace) == ["77 at 1: a secondary limit, for 60 s"]


@pytest.mark.parametrize(
    ("times", "span", "most"),
    [([], MINUTE, 0), ([0, 59, 60], MINUTE, 2), ([0, 1800, 3599], HOUR, 3)],
)
def test_the_busiest_stretch_is_found(times: list[float], span: float, most: int) -> None:
    assert most_within(times, span) == most
