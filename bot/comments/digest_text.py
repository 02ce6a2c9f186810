"""The digest of a repository: the one comment that lists what needs a person. Its sentences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.kernel.sentences import code, inline
from bot.tasks import task_decisions
from bot.tenants.look import OWN_NAME
from bot.times import minute
from store.tasks.tasks import FullTask

# Tasks that each part names.
MOST = 20
LONGEST_TITLE = 100


@dataclass(frozen=True)
class DigestContent:
    """The tasks of each part, at most one more than it names. `pending`: how many nobody has."""

    needs_people: Sequence[FullTask] = ()
    running: Sequence[FullTask] = ()
    ended: Sequence[FullTask] = ()
    pending: int = 0
    # The name under which the account shows it.
    brand: str = OWN_NAME


def text(content: DigestContent, as_of: int) -> str:
    return f"{lasting_text(content)}\n\n<sub>As of {minute(as_of)}.</sub>"


def lasting_text(content: DigestContent) -> str:
    """The digest without its times: what decides whether there is anything new."""
    waits = f"{content.pending} tasks wait" if content.pending != 1 else "1 task waits"
    parts = [
        f"**{content.brand}** · digest",
        _part("Needs a person", content.needs_people, _need),
        _part("Running", content.running, _progress),
        _part("Ended", content.ended, _end),
        f"{waits} for an agent.",
    ]
    return "\n\n".join(each for each in parts if each)


def _part(heading: str, found: Sequence[FullTask], words: Callable[[FullTask], str]) -> str:
    """A heading and a line for each task. Empty without a task."""
    if not found:
        return ""
    lines = [f"- #{each['number']} {_title(each)}: {words(each)}" for each in found[:MOST]]
    more = ["- and more"] if len(found) > MOST else []
    return "\n".join([f"**{heading}**", "", *lines, *more])


def _title(task: FullTask) -> str:
    return inline(task["title"][:LONGEST_TITLE])


def _need(task: FullTask) -> str:
    # In a review nobody holds the task once the run of its agent has ended.
    holder = code(task["holder"] or task["last_holder"] or "somebody")
    if task["question"]:
        return f"{holder} waits for an answer."
    if task["held"]:
        why = f": {inline(task['held_why'])}" if task["held_why"] else ""
        return f"on hold by {code(task['held_by'] or 'somebody')}{why}."
    if task["pull_number"]:
        return f"#{task['pull_number']} waits for a review."
    return f"what {holder} reported waits for a review."


def _progress(task: FullTask) -> str:
    pull = f", #{task['pull_number']}" if task["pull_number"] else ""
    return f"{code(task['holder'] or '')}, {task['progress']}%{pull}."


def _end(task: FullTask) -> str:
    end = task_decisions.ending(task)
    who = end.by if end and end.by else task["last_holder"]
    return f"{task['state']}{f' by {code(who)}' if who else ''}."
