"""A workflow as decisions see it: the states of its steps and of their tasks. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from store.tables.tasks import TaskState
from store.tables.workflows import StepState, WorkflowState

ENDED: frozenset[StepState] = frozenset({"completed", "failed", "skipped", "cancelled", "removed"})
# Its issue is closed then, or no longer in the way.
NOT_BLOCKING = ENDED - {"failed"}


@dataclass(frozen=True)
class FlowStep:
    """A step, as decisions need it. `held`: Hubbub keeps its task on hold for the workflow.

    `compensation`: the step that undoes it. `is_undo`: it is such a step of another one. `is_tool`:
    Hubbub does it by a call, and is its holder during that.
    """

    key: str
    state: StepState = "waiting"
    task: TaskState | None = "pending"
    needs: tuple[str, ...] = ()
    released: frozenset[str] = frozenset()
    condition: str = "success"
    on_failure: Literal["stop", "continue", "compensate"] = "stop"
    compensation: str | None = None
    is_undo: bool = False
    is_gate: bool = False
    is_tool: bool = False
    retry: int = 0
    attempts: int = 0
    has_opened: bool = False
    held: bool = False
    holder: str | None = None

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @property
    def stays_held(self) -> bool:
        """Whether nobody works on its task, which is on hold also while the step is open."""
        return self.is_gate or self.is_tool

    @property
    def is_recovery(self) -> bool:
        """Whether it may begin after the workflow has stopped."""
        return self.is_undo or self.condition in ("failure", "always")


@dataclass(frozen=True)
class Flow:
    """A workflow: its steps in the order of the file. `parallel`: how many may be open at once."""

    steps: Mapping[str, FlowStep]
    state: WorkflowState = "running"
    parallel: int = 10
    labels: frozenset[str] = frozenset()
