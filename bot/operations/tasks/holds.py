"""What a hold on a task stops: work stops, words go on.

Messages and reading are not about a task's state, so a hold does not stop them. The table of what
the holder and others may do is in docs/reference/tasks.md.
"""

from bot.kernel.operation import Context
from bot.operations.tasks.access import is_holder, on_hold_error
from store.outbox.write_order import WORDS
from store.tasks.tasks import FullTask

# What the holder may report while its task is on hold, by argument of update_task_status.
REPORTED = ("note", "question")


def check_write(ctx: Context, row: FullTask, kind: str = "") -> None:
    """Raise Refused if a hold of somebody else stops this kind of write, or any work on it."""
    if not row["held"] or row["held_by"] == ctx.actor.name:
        return
    if not (kind in WORDS and is_holder(ctx, row)):
        raise on_hold_error(ctx, row)


def check_report(ctx: Context, row: FullTask, status: str, said: set[str]) -> None:
    """Raise Refused if a hold stops this report. `said`: the arguments that it has."""
    if not row["held"] or ctx.actor.is_person:
        return
    if status != row["state"] or said - set(REPORTED):
        raise on_hold_error(ctx, row)
