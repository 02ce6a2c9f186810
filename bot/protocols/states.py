"""One table: the states of a task in Hubbub and what other protocols call them."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from store.tables.tasks import TaskState

# https://a2a-protocol.org/latest/specification: the enum TaskState of A2A 1.0.
A2AState: TypeAlias = Literal[
    "TASK_STATE_SUBMITTED",
    "TASK_STATE_WORKING",
    "TASK_STATE_INPUT_REQUIRED",
    "TASK_STATE_AUTH_REQUIRED",
    "TASK_STATE_COMPLETED",
    "TASK_STATE_FAILED",
    "TASK_STATE_CANCELED",
    "TASK_STATE_REJECTED",
]
# https://platform.openai.com/docs/api-reference/responses/object: `status`.
ResponseStatus: TypeAlias = Literal[
    "queued", "in_progress", "completed", "failed", "cancelled", "incomplete"
]


@dataclass(frozen=True)
class State:
    """`callback`: what a callback says. `asks`: the holder waits for an answer of people."""

    task: TaskState
    a2a: A2AState
    callback: str
    response: ResponseStatus
    asks: bool = False


# From Hubbub to the others. `callback` has the words of Hubbub, so receivers need no table.
STATES = (
    State("pending", "TASK_STATE_SUBMITTED", "pending", "queued"),
    State("assigned", "TASK_STATE_SUBMITTED", "assigned", "queued"),
    State("in_progress", "TASK_STATE_WORKING", "in_progress", "in_progress"),
    State("in_progress", "TASK_STATE_INPUT_REQUIRED", "in_progress", "in_progress", asks=True),
    State("in_review", "TASK_STATE_WORKING", "in_review", "in_progress"),
    State("completed", "TASK_STATE_COMPLETED", "completed", "completed"),
    State("failed", "TASK_STATE_FAILED", "failed", "failed"),
    State("cancelled", "TASK_STATE_CANCELED", "cancelled", "cancelled"),
)

# What Hubbub does when an agent that it reaches says so of its task. `run`: nothing, it goes on.
# `ask`: its question goes to people. `release`: others may have the task.
Step: TypeAlias = Literal["run", "ask", "complete", "fail", "release"]
FROM_A2A: dict[A2AState, Step] = {
    "TASK_STATE_SUBMITTED": "run",
    "TASK_STATE_WORKING": "run",
    "TASK_STATE_INPUT_REQUIRED": "ask",
    "TASK_STATE_AUTH_REQUIRED": "ask",
    "TASK_STATE_COMPLETED": "complete",
    "TASK_STATE_FAILED": "fail",
    "TASK_STATE_CANCELED": "release",
    "TASK_STATE_REJECTED": "release",
}


def state_of(task: TaskState, *, asks: bool = False) -> State:
    """`asks`: the task's holder asked people and has no answer yet."""
    found = [each for each in STATES if each.task == task]
    return next((each for each in found if each.asks == asks), found[0])
