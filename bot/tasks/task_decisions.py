"""What was decided last about a task: one text in its row that people and agents read."""

from dataclasses import dataclass

from bot.identity.actors import BOT
from store.tables.tasks import TaskState
from store.tasks.tasks import FullTask


@dataclass(frozen=True)
class Ending:
    """How a task ended. `by` is None if Hubbub only saw that it had ended."""

    by: str | None
    why: str


def of_move(to: TaskState, actor: str, why: str) -> str:
    """Who ended or retried the task, and why."""
    by = "" if actor == BOT else f" by {actor}"
    return f"{'retried' if to == 'pending' else to}{by}{': ' if why else ''}{why}"


def of_taking(holder: str, actor: str, note: str | None) -> str:
    """Who took the task from its holder, and why."""
    return f"taken from {holder} by {actor}{': ' if note else ''}{note or ''}"


def ending(task: FullTask) -> Ending | None:
    """How an ended task ended. None if its holder ended it."""
    who, _, why = (task["decision"] or "").partition(": ")
    state, _, by = who.partition(" by ")
    return Ending(by or None, why) if state == task["state"] else None


def is_ended_by_agent(task: FullTask) -> bool:
    """Whether an agent ended the task that was not its holder."""
    end = ending(task)
    return end is not None and end.by is not None and not end.by.startswith("@")
