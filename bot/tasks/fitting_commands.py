"""Which slash commands make sense in a place, as things are there. Pure.

Permission is another question: `bot/repository/repository_settings.py` answers it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.tasks.states import CLAIMABLE, OPEN
from store.tasks.tasks import FullTask


@dataclass(frozen=True)
class CommandPlace:
    """An issue or a pull request, with the task that commands there are about.

    `blockers`: how many issues block the task, open or not. `awaits_approval`: the task is a gate
    that can be decided, or its holder proposes a plan.
    """

    task: FullTask | None
    is_pull: bool = False
    blockers: int = 0
    awaits_approval: bool = False

    @property
    def is_open(self) -> bool:
        return self.task is not None and self.task["state"] in OPEN

    @property
    def is_free(self) -> bool:
        """Whether nobody holds the open task. It may be reserved."""
        return self.task is not None and self.task["state"] in CLAIMABLE

    @property
    def is_on_hold(self) -> bool:
        return self.task is not None and bool(self.task["held"])

    @property
    def agent(self) -> str | None:
        """The agent that holds the task, or for which it is reserved."""
        who = self.task and (self.task["holder"] or self.task["assigned_to"])
        return None if who is None or who.startswith("@") else who


Fits = Callable[[CommandPlace], bool]


def _anywhere(_place: CommandPlace) -> bool:
    return True


def _has_task(place: CommandPlace) -> bool:
    return place.task is not None


def can_be_released(task: FullTask) -> bool:
    """Whether somebody holds it, or did until the run of its agent ended during the review."""
    return task["holder"] is not None or task["state"] == "in_review"


def _can_be_released(place: CommandPlace) -> bool:
    return place.task is not None and can_be_released(place.task)


# Verbs without a row make sense wherever there is a task.
FITS: Mapping[str, Fits] = {
    "claim": lambda place: place.is_free and not place.is_on_hold,
    "release": _can_be_released,
    "run": lambda place: not place.is_pull and (place.task is None or place.is_open),
    "assign": lambda place: place.is_free,
    "hold": lambda place: place.is_open and not place.is_on_hold,
    "resume": lambda place: place.is_on_hold,
    "priority": lambda place: place.is_open,
    "block": lambda place: place.is_open,
    "unblock": lambda place: place.is_open and place.blockers > 0,
    "retry": lambda place: place.task is not None and not place.is_open,
    "cancel": lambda place: place.is_open,
    "done": lambda place: place.is_open,
    "approve": lambda place: place.awaits_approval,
    "reject": lambda place: place.awaits_approval,
    "ask": lambda place: place.agent is not None,
    "override": lambda place: place.is_pull,
    "agents": _anywhere,
    "invite": _anywhere,
    "help": _anywhere,
}


def fits(verb: str, place: CommandPlace) -> bool:
    """Whether the command makes sense there now."""
    return FITS.get(verb, _has_task)(place)
