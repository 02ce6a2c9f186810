"""The state machine of agent runs: which step leads from which state to which."""

from typing import Literal, TypeAlias, get_args

from store.runs.runs import LIVE, NOT_ENDED
from store.tables.runs import RunState

STATES: tuple[RunState, ...] = get_args(RunState)
# `dispatch`: its workflow is being started. `start`: GitHub or its job reported that it runs.
# `stop`: it was asked to stop. The others end it.
End: TypeAlias = Literal["succeeded", "failed", "cancelled", "not_started"]
Step: TypeAlias = Literal["dispatch", "start", "stop", "succeed", "fail", "cancel", "not_start"]

STEPS: dict[Step, tuple[tuple[RunState, ...], RunState]] = {
    "dispatch": (("queued",), "dispatched"),
    "start": (("dispatched",), "running"),
    "stop": (("dispatched", "running"), "stopping"),
    # A workflow run may end before anybody reported its start.
    "succeed": (LIVE, "succeeded"),
    "fail": (LIVE, "failed"),
    "cancel": (NOT_ENDED, "cancelled"),
    "not_start": (("queued", "dispatched", "stopping"), "not_started"),
}
ENDS: tuple[RunState, ...] = tuple(each for each in STATES if each not in NOT_ENDED)


def target(state: RunState, step: Step) -> RunState | None:
    """The state after the step. None if the step is not possible from this state."""
    sources, reached = STEPS[step]
    return reached if state in sources else None
