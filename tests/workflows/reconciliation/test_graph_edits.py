"""What people changed in a graph, as a decision on values."""

from bot.workflows.reconciliation.graph_edits import (
    Add,
    AddNeed,
    DropNeed,
    GitHubGraph,
    PutBack,
    StoredStep,
    TakeOut,
    needs_to_change,
    steps_to_change,
)

PARENT = 9
STEPS = [StoredStep("a", 1), StoredStep("b", 2)]
PRESENT = {("b", "a"): "present"}


def drawn(listed: int, **blockers: set[int]) -> GitHubGraph:
    ids = {"a": 1, "b": 2}
    return GitHubGraph(
        listed, blockers={ids[key]: frozenset(each) for key, each in blockers.items()}
    )


def test_the_same_graph_changes_nothing() -> None:
    assert steps_to_change(STEPS, GitHubGraph(PARENT, (1, 2)), PARENT) == []
    assert needs_to_change(STEPS, PRESENT, drawn(2, b={1})) == []


def test_sub_issues_become_steps_and_steps_without_a_parent_leave() -> None:
    assert steps_to_change(STEPS, GitHubGraph(PARENT, (2, 3)), PARENT) == [TakeOut("a"), Add(3)]


def test_only_a_list_of_the_parent_takes_steps_out() -> None:
    assert steps_to_change(STEPS, GitHubGraph(2, ()), PARENT) == []


def test_a_step_whose_relations_are_not_made_yet_is_not_taken_out() -> None:
    steps = [StoredStep("a", 1, is_settled=False), StoredStep("b", None)]
    assert steps_to_change(steps, GitHubGraph(PARENT, ()), PARENT) == []
    steps = [StoredStep("a", 1), StoredStep("b", 2, is_settled=False)]
    assert needs_to_change(steps, PRESENT, drawn(2)) == []


def test_a_step_that_has_ended_stays() -> None:
    assert steps_to_change([StoredStep("a", 1, "completed")], GitHubGraph(PARENT, ()), PARENT) == []
    assert (
        needs_to_change([StoredStep("a", 1), StoredStep("b", 2, "failed")], PRESENT, drawn(2)) == []
    )


def test_a_step_that_is_there_again_is_put_back() -> None:
    steps = [StoredStep("a", 1, "removed")]
    assert steps_to_change(steps, GitHubGraph(PARENT, (1,)), PARENT) == [PutBack("a")]


def test_needs_follow_the_list_of_the_step_that_waits() -> None:
    assert needs_to_change(STEPS, PRESENT, drawn(2)) == [DropNeed("b", "a")]
    assert needs_to_change(STEPS, PRESENT, drawn(1)) == []
    assert needs_to_change(STEPS, {}, drawn(1, b={1})) == [AddNeed("b", "a")]


def test_what_hubbub_released_stays_released() -> None:
    released = {("b", "a"): "released"}
    assert needs_to_change(STEPS, released, drawn(2)) == []
    assert needs_to_change(STEPS, released, drawn(2, b={1})) == []


def test_a_step_that_was_taken_out_needs_nothing_and_nothing_needs_it() -> None:
    steps = [StoredStep("a", 1, "removed"), StoredStep("b", 2)]
    assert needs_to_change(steps, PRESENT, drawn(9, b={1})) == [DropNeed("b", "a")]


def test_a_circle_keeps_nobody_waiting() -> None:
    circle = {1: frozenset({2}), 2: frozenset({1})}
    shown = GitHubGraph(1, circles=circle)
    assert needs_to_change(STEPS, PRESENT, shown) == [DropNeed("b", "a")]
    assert needs_to_change(STEPS, {}, shown) == []
