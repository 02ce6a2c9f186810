"""The folded history of the card: the last steps of the task in plain words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from bot.identity.actors import BOT
from bot.kernel.sentences import code, inline
from bot.times import minute
from store.events import LoggedEvent

MOST = 20
Words: TypeAlias = Callable[[Mapping[str, Any]], str]


def _because(data: Mapping[str, Any]) -> str:
    return f": {inline(data['why'])}" if data.get("why") else ""


def _note(data: Mapping[str, Any]) -> str:
    return f": {inline(data['note'])}" if data.get("note") else ""


def _of(data: Mapping[str, Any], name: str) -> str:
    return code(str(data.get(name) or "somebody"))


# Each step as what its actor did.
STEPS: dict[str, Words] = {
    "task.claimed": lambda _: "claimed it",
    "task.assigned": lambda data: f"reserved it for {_of(data, 'to')}",
    "task.unassigned": lambda data: f"ended the reservation for {_of(data, 'to')}",
    "task.asked": lambda _: "asked a question",
    "task.answered": lambda _: "answered the question",
    "task.unasked": lambda data: f"withdrew the question{_because(data)}",
    "task.voted": lambda data: f"{data.get('vote') or 'decided'} the gate{_note(data)}",
    "task.plan_proposed": lambda data: f"proposed a plan of {data.get('size')} tasks",
    "task.plan_approved": lambda data: f"approved the plan{_note(data)}",
    "task.plan_rejected": lambda data: f"rejected the plan{_note(data)}",
    "task.held": lambda data: f"put it on hold{_because(data)}",
    "task.resumed": lambda _: "ended the hold",
    "task.pull": lambda data: f"opened the pull request #{data.get('number')}",
    "task.in_progress": lambda data: f"sent it back{_because(data)}",
    "task.in_review": lambda _: "asked for a review",
    "task.completed": lambda data: f"completed it{_because(data)}",
    "task.failed": lambda data: f"gave it up as failed{_because(data)}",
    "task.cancelled": lambda data: f"cancelled it{_because(data)}",
    "task.pending": lambda data: f"made it pending again{_because(data)}",
    "task.released": lambda _: "released it",
    "task.revoked": lambda data: f"took it from {_of(data, 'holder')}",
    "task.expired": lambda data: f"ended the lease of {_of(data, 'holder')}, which had expired",
    "task.reviewed": lambda data: f"reviewed #{data.get('pull')}: {_verdict(data)}",
}
KINDS = frozenset(STEPS)


def _verdict(data: Mapping[str, Any]) -> str:
    return str(data.get("state", "")).replace("_", " ")


def lines(history: Sequence[LoggedEvent]) -> str:
    """The steps as one folded part of the card, the newest first. Empty without a step."""
    shown = [_line(each) for each in history if each["kind"] in STEPS][:MOST]
    if not shown:
        return ""
    steps = "\n".join(f"- {each}" for each in shown)
    return f"<details><summary>History (times in UTC)</summary>\n\n{steps}\n\n</details>"


def _line(event: LoggedEvent) -> str:
    who = "Hubbub" if event["actor"] == BOT else code(event["actor"])
    when = minute(event["at"]).removesuffix(" UTC")
    return f"{when}: {who} {STEPS[event['kind']](event['data'])}."
