"""Why the task of a step is on hold: the sentences, by which Hubbub knows its own holds again."""

from collections.abc import Sequence

from bot.identity.actors import BOT
from bot.kernel.sentences import code
from store.tasks.tasks import FullTask

# Every sentence begins with one of these; holds of stuck tasks and of failed relations do not.
# Decisions about tasks that ended with their workflow begin with the second one too.
WAITS, OF_WORKFLOW = "waits for ", "its workflow "
BEGINNINGS = (WAITS, OF_WORKFLOW)


def is_of_workflow(task: FullTask) -> bool:
    """Whether Hubbub holds the task for its workflow. It then also ends the hold."""
    if not task["held"] or task["held_by"] != BOT:
        return False
    return (task["held_why"] or "").startswith(BEGINNINGS)


def no_place(most: int) -> str:
    steps = "1 step" if most == 1 else f"{most} steps"
    are = "is" if most == 1 else "are"
    return f"waits for a place: at most {steps} of this workflow {are} open at once"


def after_stop(failed: Sequence[str]) -> str:
    which = " and ".join(map(code, failed))
    return f"{OF_WORKFLOW}stopped, because {which} failed"


def undo_in_order() -> str:
    return "waits for its turn: what the cancelled workflow did is undone one step at a time"


def before_call(tool: str) -> str:
    return f"waits for its turn: then Hubbub calls {code(tool)}"


def during_call(tool: str) -> str:
    return f"waits for the answer of {code(tool)}, which Hubbub calls"


def call_put_off(tool: str, why: str, again: str) -> str:
    return f"waits for {code(tool)}: {why}; Hubbub tries again at {again}"


def taken_out(tool: str) -> str:
    return f"{OF_WORKFLOW}no longer has it, and only {code(tool)} was to do it"


def done_again(needs: Sequence[str]) -> str:
    return f"waits for {' and '.join(map(code, needs))} to be done again"


def done_first(needs: Sequence[str]) -> str:
    return f"waits for {' and '.join(map(code, needs))} to be done"


def only_after_failure() -> str:
    return "waits for a failure: this step runs only then"


def ended_with_workflow(name: str, why: str) -> str:
    """The decision about a task that was cancelled with its workflow."""
    return f"{OF_WORKFLOW}{name} ended: {why}"
