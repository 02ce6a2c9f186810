"""How a workflow goes on, decided from the states of its steps alone."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.workflows.execution import hold_texts
from bot.workflows.execution.decisions import decide, failures, undo_order
from bot.workflows.execution.flow_actions import (
    Action,
    End,
    Fail,
    Finish,
    Hold,
    Open,
    Release,
    Reopen,
    Restart,
    Retry,
    Skip,
    Wait,
    apply,
)
from bot.workflows.execution.flow_state import Flow, FlowStep
from store.tables.tasks import TaskState


def flow(*steps: FlowStep, **more: Any) -> Flow:
    return Flow({each.key: each for each in steps}, **more)


def step(key: str, *needs: str, **more: Any) -> FlowStep:
    return FlowStep(key, needs=needs, **more)


def after(flow: Flow) -> Flow:
    return apply(flow, decide(flow))


def with_task(flow: Flow, key: str, task: TaskState | None, **more: Any) -> Flow:
    """The workflow after a step's task got this state."""
    changed = replace(flow.steps[key], task=task, **more)
    return replace(flow, steps={**flow.steps, key: changed})


def ended(made: Flow, *outcomes: tuple[str, TaskState]) -> Flow:
    """The workflow after these tasks ended, one after the other."""
    for key, task in outcomes:
        made = after(with_task(after(made), key, task))
    return made


def states(made: Flow) -> dict[str, str]:
    return {key: each.state for key, each in made.steps.items()}


def test_steps_without_needs_begin_at_once() -> None:
    assert decide(flow(step("a"), step("b"), step("c", "a"))) == [Open("a"), Open("b")]


def test_a_step_begins_when_all_its_needs_succeeded() -> None:
    made = ended(flow(step("a"), step("b"), step("c", "a", "b")), ("a", "completed"))
    assert states(made)["c"] == "waiting"
    assert states(ended(made, ("b", "completed")))["c"] == "open"


def test_a_step_that_a_person_cancelled_or_deleted_counts_as_done() -> None:
    made = ended(flow(step("a"), step("b"), step("c", "a", "b")), ("a", "cancelled"))
    gone = after(with_task(made, "b", None))
    assert states(gone) == {"a": "cancelled", "b": "removed", "c": "open"}


def test_the_workflow_ends_when_all_steps_ended() -> None:
    made = with_task(after(flow(step("a"))), "a", "completed")
    assert decide(made) == [End("a", "completed"), Finish()]


def test_a_failed_step_is_tried_again_as_often_as_the_file_says() -> None:
    made = after(flow(step("a", retry=2), step("b", "a")))
    made = with_task(made, "a", "failed")
    assert decide(made) == [Retry("a", 1)]
    made = with_task(after(made), "a", "failed")
    assert decide(made) == [Retry("a", 2)]
    made = with_task(after(made), "a", "failed")
    assert decide(made) == [End("a", "failed"), Fail(("a",))]


def test_a_failure_stops_what_has_not_begun() -> None:
    """The step that somebody holds goes on. The one that nobody holds is held."""
    made = after(flow(step("a"), step("b"), step("c"), step("d", "c")))
    made = with_task(made, "c", "in_progress", holder="ada")
    made = with_task(made, "a", "failed")
    found = decide(made)
    assert found == [
        End("a", "failed"),
        Hold("b", "its workflow stopped, because `a` failed"),
        Fail(("a",)),
    ]
    later = after(with_task(apply(made, found), "c", "completed", holder=None))
    assert states(later) == {"a": "failed", "b": "waiting", "c": "completed", "d": "waiting"}
    assert later.steps["d"].held


def test_with_continue_those_that_need_a_failed_step_begin() -> None:
    made = after(flow(step("a", on_failure="continue"), step("b", "a")))
    found = decide(with_task(made, "a", "failed"))
    assert found == [End("a", "failed"), Release("b", "a"), Open("b")]


def test_a_step_for_failures_begins_after_one_and_is_skipped_without() -> None:
    made = after(flow(step("a"), step("mend", "a", condition="failure"), step("b", "mend")))
    failed = decide(with_task(made, "a", "failed"))
    assert failed == [End("a", "failed"), Release("mend", "a"), Open("mend")]
    fine = decide(with_task(made, "a", "completed"))
    assert fine[1:] == [Skip("mend", "no step before it failed"), Open("b")]


def test_a_step_for_failures_begins_after_one_further_up() -> None:
    steps = step("a"), step("b", "a"), step("mend", "b", condition="failure")
    made = ended(flow(*steps), ("a", "failed"))
    assert states(made) == {"a": "failed", "b": "waiting", "mend": "open"}
    assert made.state == "running"
    assert ended(made, ("mend", "completed")).state == "failed"


def test_a_step_for_failures_of_another_branch_does_not_begin() -> None:
    steps = step("a"), step("b"), step("c", "b"), step("mend", "c", condition="failure")
    made = ended(flow(*steps), ("a", "failed"))
    assert states(made)["mend"] == "waiting"
    assert made.state == "failed"


def test_a_step_that_always_runs_waits_for_those_that_somebody_holds() -> None:
    steps = step("a"), step("b"), step("clean", "a", "b", condition="always")
    made = with_task(after(flow(*steps)), "b", "in_progress", holder="ada")
    made = after(with_task(made, "a", "failed"))
    assert states(made)["clean"] == "waiting"
    assert made.state == "running"
    assert states(ended(made, ("b", "completed")))["clean"] == "open"


def test_a_step_with_a_label_runs_only_with_it() -> None:
    made = flow(step("a"), step("b", "a", condition="label:docs"))
    done = with_task(after(made), "a", "completed")
    assert decide(done)[1] == Skip("b", "the parent issue has no label `docs`")
    assert decide(replace(done, labels=frozenset({"docs"})))[1] == Open("b")


def test_a_failed_step_is_compensated_before_the_workflow_fails() -> None:
    undo = step("undo", is_undo=True, held=True)
    made = flow(step("a", on_failure="compensate", compensation="undo"), step("b", "a"), undo)
    made = ended(made, ("a", "failed"))
    assert states(made) == {"a": "failed", "b": "waiting", "undo": "open"}
    assert made.state == "running"
    assert ended(made, ("undo", "completed")).state == "failed"


def test_a_step_that_undoes_is_skipped_when_nothing_failed() -> None:
    undo = step("undo", is_undo=True, held=True)
    made = after(flow(step("a", on_failure="compensate", compensation="undo"), undo))
    found = decide(with_task(made, "a", "completed"))
    assert found == [End("a", "completed"), Skip("undo", "nothing had to be undone"), Finish()]


def test_a_cancelled_workflow_is_undone_from_its_end_one_step_at_a_time() -> None:
    undoable = {"on_failure": "compensate", "has_opened": True}
    made = flow(
        step("a", state="completed", task="completed", compensation="un-a", **undoable),
        step("b", state="cancelled", task="cancelled", compensation="un-b", **undoable),
        step("c", state="cancelled", task="cancelled", compensation="un-c"),
        *(step(key, is_undo=True, held=True) for key in ("un-a", "un-b")),
        step("un-c", state="cancelled", task="cancelled", is_undo=True),
        state="cancelled",
    )
    assert undo_order(made) == ["un-b", "un-a"]
    assert decide(made) == [Open("un-b")]
    made = with_task(after(made), "un-b", "failed")
    assert decide(made) == [End("un-b", "failed"), Open("un-a")]


def test_steps_without_a_place_are_held_and_begin_in_order() -> None:
    made = flow(*(step(key) for key in "abc"), step("d", "a"), parallel=1)
    why = "waits for a place: at most 1 step of this workflow is open at once"
    assert decide(made) == [Open("a"), Hold("b", why), Hold("c", why)]
    assert decide(with_task(after(made), "a", "completed")) == [
        End("a", "completed"),
        Open("b"),
        Hold("d", why),
    ]


def test_a_gate_takes_no_place_and_stays_on_hold() -> None:
    made = after(flow(step("a", is_gate=True, held=True), step("b"), parallel=1))
    assert states(made) == {"a": "open", "b": "open"}
    assert made.steps["a"].held


def test_a_gate_of_a_workflow_that_stopped_waits_for_it() -> None:
    made = ended(flow(step("a", is_gate=True, held=True), step("b")), ("b", "failed"))
    assert states(made) == {"a": "waiting", "b": "failed"}


def test_a_step_that_somebody_began_too_early_is_open() -> None:
    made = after(flow(step("a"), step("b", "a")))
    assert decide(with_task(made, "b", "in_progress", holder="@bo")) == [Open("b")]


def test_a_failed_step_that_somebody_retries_lets_the_workflow_go_on() -> None:
    made = ended(flow(step("a"), step("b", "a")), ("a", "failed"))
    assert made.state == "failed"
    again = with_task(made, "a", "pending")
    assert decide(again) == [Restart("a"), Reopen("a")]
    assert states(ended(again, ("a", "completed")))["b"] == "open"


def test_a_step_that_a_person_reopened_is_open_again() -> None:
    made = ended(flow(step("a"), step("b", "a")), ("a", "completed"))
    assert decide(with_task(made, "a", "pending")) == [Reopen("a")]


CONDITIONS = ("success", "success", "failure", "always", "label:x", "label:y")
FAILURES = ("stop", "continue", "compensate")


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    """A workflow without circles; each step may need those before it."""
    steps: list[FlowStep] = []
    for n in range(draw(st.integers(1, 9))):
        before = [each.key for each in steps if not each.is_undo]
        on_failure: Any = draw(st.sampled_from(FAILURES))
        undo = f"undo{n}" if on_failure == "compensate" else None
        steps.append(
            FlowStep(
                f"s{n}",
                needs=tuple(draw(st.sets(st.sampled_from(before)))) if before else (),
                condition=draw(st.sampled_from(CONDITIONS)),
                on_failure=on_failure,
                compensation=undo,
                retry=draw(st.integers(0, 2)),
                is_gate=draw(st.booleans()),
            )
        )
        if undo:
            steps.append(FlowStep(undo, is_undo=True, held=True))
    made = draw(st.permutations(steps))
    return flow(*made, parallel=draw(st.integers(1, 4)), labels=frozenset({"x"}))


@dataclass
class Watched:
    """What happened to each step."""

    flow: Flow
    opened: set[str] = field(default_factory=set)
    released: set[tuple[str, str]] = field(default_factory=set)

    def step(self) -> None:
        for action in decide(self.flow):
            self._check(action)
            self.flow = apply(self.flow, [action])
        assert decide(self.flow) == []

    def _check(self, action: Action) -> None:
        if isinstance(action, Release):
            self.released.add((action.step, action.need))
        if not isinstance(action, Open):
            return
        assert action.step not in self.opened, "it begins once"
        self.opened.add(action.step)
        each = self.flow.steps[action.step]
        stopped = bool(failures(self.flow))
        for need in each.needs:
            its = self.flow.steps[need]
            assert its.has_ended or (stopped and its.state == "waiting"), "its needs have ended"
            fine = its.state in ("completed", "skipped", "cancelled", "removed")
            assert fine or (action.step, need) in self.released, "GitHub shows no blocker"
        if stopped:
            assert each.is_recovery, "nothing else begins after a stop"
        taken = [each for each in self.flow.steps.values() if each.state == "open"]
        agents = [each for each in taken if not each.is_gate and not each.is_undo]
        assert each.is_gate or each.is_undo or len(agents) < self.flow.parallel, "it has a place"


@given(flows(), st.data())
def test_any_workflow_ends_and_no_step_begins_twice_or_too_early(
    made: Flow, data: st.DataObject
) -> None:
    watched = Watched(made)
    watched.step()
    most = sum(each.retry + 1 for each in made.steps.values())
    for _ in range(most + 1):
        going = [key for key, each in watched.flow.steps.items() if each.state == "open"]
        if not going:
            break
        key = data.draw(st.sampled_from(going))
        outcome: TaskState | None = data.draw(
            st.sampled_from(("completed", "completed", "failed", "failed", "cancelled", None))
        )
        watched.flow = with_task(watched.flow, key, outcome)
        watched.step()
    assert not [each for each in watched.flow.steps.values() if each.state == "open"]
    assert watched.flow.state == ("failed" if failures(watched.flow) else "completed")
    if watched.flow.state == "completed":
        assert all(each.has_ended for each in watched.flow.steps.values())


@given(st.sampled_from(["no_place", "after_stop", "undo_in_order"]))
def test_each_hold_says_that_it_is_of_a_workflow(name: str) -> None:
    arguments: dict[str, tuple[Any, ...]] = {"no_place": (4,), "after_stop": (["a", "b"],)}
    text = getattr(hold_texts, name)(*arguments.get(name, ()))
    assert text.startswith(hold_texts.BEGINNINGS)


@pytest.mark.parametrize(
    ("most", "text"),
    [
        (1, "waits for a place: at most 1 step of this workflow is open at once"),
        (4, "waits for a place: at most 4 steps of this workflow are open at once"),
    ],
)
def test_a_hold_says_how_many_steps_are_open(most: int, text: str) -> None:
    assert hold_texts.no_place(most) == text


def test_labels_are_compared_as_github_compares_them() -> None:
    made = flow(step("a", condition="label:Needs Docs"), labels=frozenset({"needs docs"}))
    assert decide(made) == [Open("a")]


def test_a_gate_waits_again_while_a_step_that_it_needs_is_done_again() -> None:
    made = ended(flow(step("a"), step("ok", "a", is_gate=True, held=True)), ("a", "completed"))
    assert states(made)["ok"] == "open"
    again = with_task(made, "a", "pending")
    assert decide(again) == [Reopen("a"), Wait("ok")]
    assert states(ended(again, ("a", "completed")))["ok"] == "open"


def test_always_runs_after_what_was_skipped() -> None:
    made = flow(
        step("a"),
        step("mend", "a", condition="failure"),
        step("tell", "mend", condition="always"),
        step("last", "tell"),
    )
    made = ended(made, ("a", "completed"), ("tell", "completed"))
    assert states(made) == {
        "a": "completed",
        "mend": "skipped",
        "tell": "completed",
        "last": "open",
    }


def test_many_ways_between_steps_that_wait_for_a_failure_are_not_all_walked() -> None:
    made = [step("broken", task="failed"), step("slow", state="open", task="in_progress")]
    layer = ["slow"]
    for depth in range(10):
        above, layer = layer, [f"s{depth}-{n}" for n in range(9)]
        made += [step(key, *above, condition="failure", held=True) for key in layer]
    assert decide(flow(*made)) == [End("broken", "failed")]
