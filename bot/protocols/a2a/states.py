"""The states of tasks in A2A, by name."""

from typing import cast

from bot.protocols.states import state_of
from store.tables.tasks import TaskState

SUBMITTED, WORKING = "TASK_STATE_SUBMITTED", "TASK_STATE_WORKING"
INPUT_REQUIRED, AUTH_REQUIRED = "TASK_STATE_INPUT_REQUIRED", "TASK_STATE_AUTH_REQUIRED"
COMPLETED, FAILED = "TASK_STATE_COMPLETED", "TASK_STATE_FAILED"
CANCELED, REJECTED = "TASK_STATE_CANCELED", "TASK_STATE_REJECTED"
TERMINAL = frozenset({COMPLETED, FAILED, CANCELED, REJECTED})
INTERRUPTED = frozenset({INPUT_REQUIRED, AUTH_REQUIRED})
ALL = TERMINAL | INTERRUPTED | {SUBMITTED, WORKING}


def of_task(state: str, *, asks: bool) -> str:
    """`state`: as answers show it. `asks`: its holder asked what nobody has answered."""
    known = cast("TaskState", "pending" if state == "blocked" else state)
    return state_of(known, asks=asks).a2a
