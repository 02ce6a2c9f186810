"""The task's state machine: the states that each state can change to."""

from typing import Literal, get_args

from store.tables.tasks import TaskState

STATES: tuple[TaskState, ...] = get_args(TaskState)

LEGAL: dict[TaskState, tuple[TaskState, ...]] = {
    "pending": ("assigned", "in_progress", "completed", "failed", "cancelled"),
    "assigned": ("in_progress", "pending", "completed", "failed", "cancelled"),
    "in_progress": ("in_review", "pending", "completed", "failed", "cancelled"),
    "in_review": ("in_progress", "pending", "completed", "failed", "cancelled"),
    # Reopened or retried.
    "completed": ("pending",),
    "failed": ("pending",),
    "cancelled": ("pending",),
}
OPEN: tuple[TaskState, ...] = ("pending", "assigned", "in_progress", "in_review")
# In these somebody can claim the task, if nothing else is in the way.
CLAIMABLE: tuple[TaskState, ...] = ("pending", "assigned")
# What the holder may report by update_task_status.
REPORTED = Literal["in_progress", "in_review", "completed", "failed"]
