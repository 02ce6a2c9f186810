"""What decisions do with a workflow, and what it is after that. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from bot.workflows.execution.flow_state import Flow, FlowStep
from store.tables.workflows import StepState


@dataclass(frozen=True)
class End:
    """The step's task has ended."""

    step: str
    state: StepState


@dataclass(frozen=True)
class Reopen:
    """The step's task is open again although the step had ended."""

    step: str


@dataclass(frozen=True)
class Retry:
    """The step's task failed, and is tried again."""

    step: str
    attempt: int


@dataclass(frozen=True)
class Open:
    """The step can begin."""

    step: str


@dataclass(frozen=True)
class Skip:
    step: str
    why: str


@dataclass(frozen=True)
class Hold:
    """The step must not begin, although its needs do not keep it."""

    step: str
    why: str


@dataclass(frozen=True)
class Wait:
    """A gate that could be decided waits again: a step that it needs is open again."""

    step: str


@dataclass(frozen=True)
class Release:
    """The step begins although this need of it did not succeed."""

    step: str
    need: str


@dataclass(frozen=True)
class Restart:
    """A workflow that failed goes on, because somebody retried the step."""

    step: str


@dataclass(frozen=True)
class Finish:
    pass


@dataclass(frozen=True)
class Fail:
    """The workflow failed, because these steps failed."""

    steps: tuple[str, ...] = field(default=())


Action: TypeAlias = (
    End | Reopen | Retry | Open | Skip | Hold | Wait | Release | Restart | Finish | Fail
)


def apply(flow: Flow, actions: Sequence[Action]) -> Flow:
    """The workflow after the actions."""
    for action in actions:
        flow = _apply(flow, action)
    return flow


def _apply(flow: Flow, action: Action) -> Flow:
    if isinstance(action, Finish):
        return replace(flow, state="completed")
    if isinstance(action, Fail):
        return replace(flow, state="failed")
    if isinstance(action, Restart):
        return replace(flow, state="running")
    step = _after(flow.steps[action.step], action)
    return replace(flow, steps={**flow.steps, action.step: step})


def _after(each: FlowStep, action: Action) -> FlowStep:
    """The step after an action on it."""
    changes: dict[str, Any] = {}
    match action:
        case End(_, state):
            changes = {"state": state, "held": False}
        case Reopen():
            changes = {"state": "open", "has_opened": True}
        case Retry(_, attempt):
            changes = {"attempts": attempt, "task": "pending"}
        case Open():
            changes = {"state": "open", "has_opened": True, "held": each.stays_held}
        case Skip():
            changes = {"state": "skipped", "task": "cancelled", "held": False}
        case Hold():
            changes = {"state": "waiting", "held": True}
        case Wait():
            changes = {"state": "waiting"}
        case Release(_, need):
            changes = {"released": each.released | {need}}
    return replace(each, **changes)
