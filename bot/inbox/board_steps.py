"""The calls that a move on a board to the column of a state stands for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from bot.errors import Refused
from bot.tasks import lookup
from bot.tasks.fitting_commands import can_be_released
from bot.tasks.states import OPEN
from store.tasks.tasks import FullTask

Holding: TypeAlias = Literal["held", "free", "ended"]
HOLDINGS: tuple[Holding, ...] = get_args(Holding)


@dataclass(frozen=True)
class Step:
    """A call that a move stands for. `verb`: the slash command whose permission it needs."""

    verb: str
    operation: str
    arguments: dict[str, Any]


RETRY = Step("retry", "change_task", {"state": "pending"})
CLAIM = Step("claim", "claim_task", {})
RELEASE = Step("release", "release_task", {})
END_RESERVATION = Step("assign", "assign_task", {})
# The calls for a move to a column, by its state and by whether the task is held by somebody, is
# open without a holder, or has ended.
STEPS: Mapping[str, Mapping[Holding, tuple[Step, ...]]] = {
    "pending": {"held": (RELEASE,), "free": (END_RESERVATION,), "ended": (RETRY,)},
    "in_progress": {
        # It comes back from a review.
        "held": (Step("release", "change_task", {"state": "in_progress"}),),
        "free": (CLAIM,),
        "ended": (RETRY, CLAIM),
    },
    "in_review": {"held": (Step("release", "change_task", {"state": "in_review"}),)},
    "completed": dict.fromkeys(HOLDINGS, (Step("done", "change_task", {"state": "completed"}),)),
    "cancelled": dict.fromkeys(HOLDINGS, (Step("cancel", "change_task", {"state": "cancelled"}),)),
}
IMPOSSIBLE = {
    "in_review": "nobody works on {name}, so there is nothing to review.",
    "failed": "only the agent that works on {name} reports that it failed. `/cancel` ends it.",
    "assigned": "an agent must be named. Comment `/assign` with an agent to reserve {name}.",
}


def of_state(task: FullTask, to: str) -> tuple[Step, ...]:
    """The calls for a move to a column that stands for this state. Raise Refused."""
    holding: Holding = "ended"
    if task["state"] in OPEN:
        # A review whose agent's run has ended has no lease, and can be released too.
        is_left = to == "pending" and can_be_released(task)
        holding = "held" if task["lease_id"] or is_left else "free"
    if (steps := STEPS.get(to, {}).get(holding)) is None:
        raise Refused("illegal_transition", IMPOSSIBLE[to].format(name=lookup.name(task)))
    return steps
