"""The states of tasks in A2A."""

SUBMITTED, WORKING = "TASK_STATE_SUBMITTED", "TASK_STATE_WORKING"
INPUT_REQUIRED, AUTH_REQUIRED = "TASK_STATE_INPUT_REQUIRED", "TASK_STATE_AUTH_REQUIRED"
COMPLETED, FAILED = "TASK_STATE_COMPLETED", "TASK_STATE_FAILED"
CANCELED, REJECTED = "TASK_STATE_CANCELED", "TASK_STATE_REJECTED"
TERMINAL = frozenset({COMPLETED, FAILED, CANCELED, REJECTED})
INTERRUPTED = frozenset({INPUT_REQUIRED, AUTH_REQUIRED})
OF_TASK = {
    "pending": SUBMITTED,
    "assigned": SUBMITTED,
    "blocked": SUBMITTED,
    "in_progress": WORKING,
    "in_review": WORKING,
    "completed": COMPLETED,
    "failed": FAILED,
    "cancelled": CANCELED,
}
ALL = TERMINAL | INTERRUPTED | {SUBMITTED, WORKING}


def of_task(state: str, *, asks: bool) -> str:
    """`asks`: its holder asked a question that nobody has answered."""
    found = OF_TASK[state]
    return INPUT_REQUIRED if asks and found not in TERMINAL else found
