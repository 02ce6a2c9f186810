"""How a workflow goes on, from the states of its steps. Pure."""

from collections.abc import Iterator

from bot.workflows.definitions.definition import LABEL
from bot.workflows.execution import hold_texts
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
from bot.workflows.execution.flow_state import NOT_BLOCKING, Flow, FlowStep
from store.tables.tasks import TaskState
from store.tables.workflows import StepState

# What its task's end makes of a step.
ENDS: dict[TaskState, StepState] = {
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}


def decide(flow: Flow) -> list[Action]:
    """What to do now, in order. Nothing more follows until a task changes."""
    found: list[Action] = []
    while actions := _next(flow):
        found += actions
        flow = apply(flow, actions)
    return found


def _next(flow: Flow) -> list[Action]:
    """The first things to do. Each may change the others."""
    for choose in (
        _follow_tasks,
        _follow_opened,
        _close_gates,
        _skip_and_open,
        _make_room,
        _end,
    ):
        if actions := list(choose(flow)):
            return actions
    return []


def failures(flow: Flow) -> tuple[str, ...]:
    """The failed steps that stop the workflow."""
    return tuple(
        key
        for key, each in flow.steps.items()
        if each.state == "failed" and each.on_failure != "continue"
    )


def _follow_tasks(flow: Flow) -> Iterator[Action]:
    """Steps whose tasks ended, or are open again."""
    for key, each in flow.steps.items():
        ended = ENDS.get(each.task) if each.task else "removed"
        if each.has_ended:
            if each.state in ("skipped", "removed") or ended == each.state:
                continue
            if flow.state == "failed" and each.state == "failed":
                yield Restart(key)
            if ended is not None:
                yield End(key, ended)
            elif flow.state in ("running", "failed"):
                yield Reopen(key)
        elif ended == "failed" and _may_retry(flow, each):
            yield Retry(key, each.attempts + 1)
        elif ended is not None:
            yield End(key, ended)


def _may_retry(flow: Flow, each: FlowStep) -> bool:
    goes_on = flow.state == "running" and not failures(flow)
    return each.attempts < each.retry and (goes_on or each.is_undo)


def _follow_opened(flow: Flow) -> Iterator[Action]:
    """Steps that somebody began although they had to wait: their word wins."""
    for key, each in flow.steps.items():
        if each.state == "waiting" and each.task in ("in_progress", "in_review"):
            yield Open(key)


def _close_gates(flow: Flow) -> Iterator[Action]:
    """Gates whose needs are no longer over: nobody should approve what is not done."""
    if flow.state != "running":
        return
    for key, each in flow.steps.items():
        is_open = each.is_gate and each.state == "open"
        if is_open and not all(_is_over(flow, need) for need in each.needs):
            yield Wait(key)


def _skip_and_open(flow: Flow) -> Iterator[Action]:
    """The next step that is skipped or begins, if there is one."""
    if flow.state == "cancelled":
        yield from _undo_next(flow)
        return
    if flow.state != "running":
        return
    stopped = bool(failures(flow))
    for key, each in flow.steps.items():
        if each.state != "waiting" or each.is_undo:
            continue
        if not all(_is_over(flow, need) for need in each.needs):
            continue
        if why := _why_skipped(flow, each):
            yield Skip(key, why)
            return
        if _may_open(flow, each, stopped=stopped) and _has_place(flow, each):
            yield from _open(flow, each)
            return
    yield from _undo_failed(flow)


def _why_skipped(flow: Flow, each: FlowStep) -> str | None:
    """Why a step whose needs are over never begins."""
    if each.condition == "failure" and _all_ended(flow, each) and not _failed_above(flow, each):
        return "no step before it failed"
    if each.condition.startswith(LABEL) and not failures(flow):
        label = each.condition.removeprefix(LABEL)
        # GitHub has no two labels that differ only in case.
        has = label.casefold() in map(str.casefold, flow.labels)
        return None if has else f"the parent issue has no label `{label}`"
    return None


def _may_open(flow: Flow, each: FlowStep, *, stopped: bool) -> bool:
    """Whether a step whose needs are over may begin."""
    if each.condition == "failure":
        return _failed_above(flow, each)
    return not stopped or each.condition == "always"


def _all_ended(flow: Flow, each: FlowStep) -> bool:
    return all(flow.steps[need].has_ended for need in each.needs)


def _is_over(flow: Flow, key: str) -> bool:
    """Whether nothing more happens to the step: it ended, or the workflow stopped before it."""
    each = flow.steps[key]
    return each.has_ended or _never_begins(flow, key)


def _never_begins(flow: Flow, key: str) -> bool:
    """Whether the step waits although the workflow has stopped.

    One that runs only after a failure does so if a step above it does. Each is looked at once:
    between many such steps there are more ways than anybody can walk.
    """
    if not failures(flow):
        return False
    ahead, seen = [key], {key}
    while ahead:
        each = flow.steps[ahead.pop()]
        if each.state != "waiting":
            continue
        if not each.is_recovery:
            return True
        if each.condition == "failure" and not _failed_above(flow, each):
            ahead += [need for need in each.needs if need not in seen]
            seen.update(each.needs)
    return False


def _failed_above(flow: Flow, each: FlowStep) -> bool:
    """Whether a step that it needs, or that one of those needs, has failed."""
    ahead, seen = list(each.needs), set(each.needs)
    while ahead:
        above = flow.steps[ahead.pop()]
        if above.state == "failed":
            return True
        ahead += [need for need in above.needs if need not in seen]
        seen.update(above.needs)
    return False


def _open(flow: Flow, each: FlowStep) -> Iterator[Action]:
    """Begin the step. Needs whose issues stay open would keep it waiting: they are released."""
    yield from (Release(each.key, need) for need in each.needs if _blocks(flow, each, need))
    yield Open(each.key)


def _blocks(flow: Flow, each: FlowStep, need: str) -> bool:
    """Whether GitHub shows this need as an open blocker. Issues of failed tasks stay open."""
    return flow.steps[need].state not in NOT_BLOCKING and need not in each.released


def _undo_failed(flow: Flow) -> Iterator[Action]:
    """Begin the steps that undo what failed steps did."""
    for each in flow.steps.values():
        undo = flow.steps.get(each.compensation or "")
        if each.state == "failed" and undo and undo.state == "waiting":
            yield Open(undo.key)
            return


def _undo_next(flow: Flow) -> Iterator[Action]:
    """In a cancelled workflow: undo what was begun, the last step first, one after the other."""
    wanted = undo_order(flow)
    if any(flow.steps[key].state == "open" for key in wanted):
        return
    yield from (Open(key) for key in wanted[:1] if flow.steps[key].state == "waiting")


def undo_order(flow: Flow) -> list[str]:
    """The steps that undo what was begun and have not ended, the first one first."""
    begun = [each for each in flow.steps.values() if each.has_opened and each.compensation]
    named = [str(each.compensation) for each in reversed(begun) if each.state != "removed"]
    return [
        key for key in dict.fromkeys(named) if key in flow.steps and not flow.steps[key].has_ended
    ]


def _takes_place(each: FlowStep) -> bool:
    """Whether it counts among the open steps. A gate waits for a word and not for an agent."""
    return each.state == "open" and not each.is_gate


def _has_place(flow: Flow, each: FlowStep) -> bool:
    return each.is_gate or sum(map(_takes_place, flow.steps.values())) < flow.parallel


def _make_room(flow: Flow) -> Iterator[Action]:
    """Hold steps that nothing on GitHub keeps from beginning, and that must wait."""
    stopping = failures(flow) if flow.state in ("running", "failed") else ()
    for key, each in flow.steps.items():
        if each.has_ended or each.holder or each.task not in ("pending", "assigned"):
            continue
        if each.held and not (each.stays_held and each.state == "open"):
            continue
        if each.state == "open":
            if stopping and not each.is_recovery:
                yield Hold(key, hold_texts.after_stop(stopping))
        elif flow.state == "cancelled" and each.is_undo:
            yield Hold(key, hold_texts.undo_in_order())
        elif not (each.is_undo or any(_blocks(flow, each, need) for need in each.needs)):
            if stopping:
                yield Hold(key, hold_texts.after_stop(stopping))
            elif flow.state == "running":
                yield Hold(key, hold_texts.no_place(flow.parallel))


def _end(flow: Flow) -> Iterator[Action]:
    """End the workflow when nothing more can happen in it."""
    if flow.state != "running":
        return
    steps = flow.steps.values()
    stopping = failures(flow)
    if stopping:
        if not any(_still_recovers(flow, each) for each in steps):
            yield Fail(stopping)
        return
    if all(each.has_ended or (each.is_undo and each.state == "waiting") for each in steps):
        for each in steps:
            if not each.has_ended:
                yield Skip(each.key, "nothing had to be undone")
        yield Finish()


def _still_recovers(flow: Flow, each: FlowStep) -> bool:
    """Whether the step can go on after a failure."""
    if not each.is_recovery or each.has_ended:
        return False
    if each.state == "open":
        return True
    return not each.is_undo and not _never_begins(flow, each.key)
