"""The commands on a card, each as a checkbox: those that make sense now, and those ticked."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.kernel.sentences import code
from bot.tasks.fitting_commands import can_be_released
from bot.tasks.states import OPEN
from store.tasks.tasks import FullTask

# An item of a task list at the start of a line, as GitHub reads it. What Hubbub quotes on a card
# begins with another character.
ITEM = re.compile(r"^[-*+] \[([ xX])\] (\S[^\r\n]*)", re.MULTILINE)
# A label begins with its command.
COMMAND = re.compile(r"`(/[a-z]+(?: [\w.-]+)?)` ")
# The source of the commands that people tick.
SOURCE = "card"
HEADING = "**Tick to act:**"


@dataclass(frozen=True)
class Box:
    """A command, and what it does in words for people."""

    command: str
    words: str

    @property
    def label(self) -> str:
        return f"{code(self.command)} {self.words}"


def boxes(
    task: FullTask,
    *,
    is_blocked: bool,
    templates: Sequence[str] = (),
    workflow_failed: bool = False,
) -> list[Box]:
    """The commands that make sense for the task as it is now.

    `templates`: those from which an agent can be started for it. `is_blocked`: by issues, or by the
    steps of its workflow. `workflow_failed`: that of which it is the parent.
    """
    if task["state"] not in OPEN:
        return [Box("/retry", "open the task and its issue again")]
    starts = [Box(f"/assign {each}", "start an agent in GitHub Actions") for each in templates]
    again = [Box("/retry", "let the workflow go on")] if workflow_failed else []
    return [*again, *_about_work(task, is_blocked=is_blocked), *starts, *DECISIONS]


# Of a gate that can be decided, and of a plan that waits.
DECIDE = [Box("/approve", "pass the gate"), Box("/reject", "stop it here")]
DECIDE_PLAN = [
    Box("/approve", "make the tasks of the plan"),
    Box("/reject", "refuse the plan"),
]
HOLD = Box("/hold", "put it on hold")
DECISIONS = (
    Box("/done", "complete the task and close the issue"),
    Box("/cancel", "cancel the task and close the issue as not planned"),
)


def _about_work(task: FullTask, *, is_blocked: bool) -> Iterator[Box]:
    """Who works on the task, and whether somebody does."""
    if task["held"]:
        yield Box("/resume", "end the hold")
    elif task["state"] == "pending" and not is_blocked:
        yield Box("/claim", "claim it yourself")
    if task["holder"]:
        # The label names the holder, so that a tick never ends the claim of another one.
        yield Box("/release", f"end the claim of {code(task['holder'])}")
    elif can_be_released(task):
        yield Box("/release", "end the review, so that it can be claimed again")
    elif task["assigned_to"]:
        yield Box("/assign", f"end the reservation for {code(task['assigned_to'])}")
    if not task["held"]:
        yield HOLD


def lines(found: Sequence[Box]) -> str:
    """The boxes as one part of the card, none of them ticked. Empty without a box."""
    if not found:
        return ""
    return "\n".join([HEADING, "", *(f"- [ ] {each.label}" for each in found)])


def new_ticks(before: str, after: str) -> list[str]:
    """The labels that have a tick after an edit of a text and had none before it."""
    empty = {label for label, has_tick in _items(before) if not has_tick}
    return list(
        dict.fromkeys(each for each, has_tick in _items(after) if has_tick and each in empty)
    )


def removed_ticks(before: str, after: str) -> list[str]:
    """The labels that lost their tick."""
    return new_ticks(after, before)


def _items(text: str) -> Iterator[tuple[str, bool]]:
    for mark, label in ITEM.findall(text):
        yield label.rstrip(), mark != " "


def command_of(label: str) -> str | None:
    """The command of a box. None if the card never has a box with this label."""
    found = COMMAND.match(label)
    return found[1] if found else None


def key(revision: str, label: str) -> str:
    """What tells a tick on one revision of a card from all others."""
    return hashlib.sha256(f"{revision} {label}".encode()).hexdigest()
