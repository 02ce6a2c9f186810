"""Each event of a task as one sentence, with links to what it names."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from markupsafe import Markup, escape

from bot.identity.actors import BOT
from bot.kernel import event_kinds
from bot.operations.tasks.task_history import TaskEvent
from bot.operations.tasks.views import Task
from webhooks.page.visit import Visit

# The parts of each sentence. A part is left out if the event has nothing for one of its names.
SENTENCES: dict[str, tuple[str, ...]] = {
    "task.created": ("{actor} made the issue a task",),
    "task.ready": ("The task became ready to claim", " for {to}", ": {why}"),
    "task.claimed": ("{actor} claimed the task",),
    "task.assigned": ("{actor} reserved the task for {to}",),
    "task.unassigned": ("{actor} ended the reservation", " for {to}", ": {why}"),
    "task.progress": ("{actor} reported progress", ": {progress} %"),
    "task.changed": (
        "{actor} changed the task",
        "; its priority is {priority}",
        "; its size is {size}",
        "; it needs {capabilities}",
    ),
    "task.asked": ("{actor} asked a question", " of {asked}", ": “{question}”"),
    "task.answered": ("{actor} answered", " in {comment_id}", ": “{text}”"),
    "task.unasked": ("{actor} withdrew the question", ": {why}"),
    "task.held": ("{actor} put the task on hold", ": {why}"),
    "task.resumed": ("{actor} ended the hold",),
    "task.pull": ("{actor} opened {number}",),
    "task.in_progress": ("{actor} moved the task to in progress", ": {why}"),
    "task.in_review": ("{actor} moved the task to in review", ": {why}"),
    "task.completed": ("{actor} completed the task", ": {why}"),
    "task.failed": ("{actor} ended the task as failed", ": {why}"),
    "task.cancelled": ("{actor} cancelled the task", ": {why}"),
    "task.pending": ("{actor} opened the task again", ": {why}"),
    "task.released": ("{actor} gave the task back", ": {why}"),
    "task.revoked": ("{actor} took the task from {holder}", ": {why}", " “{note}”"),
    "task.expired": ("The lease of {holder} expired", ": {why}"),
    "task.overlap": (
        "Other work touches the same paths",
        ": {task}",
        " by {holder}",
        " in {pull_request}",
        ", at {paths}",
    ),
    "task.circle": ("The task is in a cycle of blockers, so none of these blocks it",),
    "task.commented": ("{actor} wrote {comment_id}", " on {pull}"),
    "task.reviewed": ("{actor} reviewed {pull}", ": {state}", ". “{body}”"),
    "task.review_requested": ("{actor} asked {to} to review {pull}",),
    "task.checked": ("The check {check} ended", ": {conclusion}", " ({url})"),
    "task.edited": ("{actor} edited {what}",),
    "task.pull_blocked": ("Hubbub's check fails on {pull}", " of {to}", ": {why}"),
    "task.pull_allowed": ("{actor} overrode Hubbub's check on {pull}", " of {to}"),
    "task.plan_changed": ("{actor} changed the plan: the task {what}", ": {why}"),
    "task.pushed": ("{actor} pushed to {branch}",),
    "task.vote_asked": ("Hubbub asked {agents} to vote on the gate",),
    "task.voted": (
        "{actor} {vote} the gate",
        ": “{note}”",
        ". It has {approvals} of {needed} approvals",
    ),
    "task.plan_proposed": ("{actor} proposed a plan", " of {size} tasks", ", strategy {strategy}"),
    "task.plan_approved": ("{actor} approved the plan", ": “{note}”"),
    "task.plan_rejected": ("{actor} rejected the plan", ": “{note}”"),
    "task.spend": ("The reported spend is at {percent} % of its cap", " of {cap}", " {currency}"),
}
NAME = re.compile(r"{(\w+)}")
LONGEST = 300
Show: TypeAlias = Callable[[Visit, Task, Mapping[str, Any], Any], Markup]


def sentence(visit: Visit, task: Task, event: TaskEvent) -> Markup:
    known = {"actor": event.actor, **event.data}
    values = {name: each for name, each in known.items() if each not in (None, "", [], {})}
    if event.kind == "task.commented":
        values.setdefault("comment_id", None)
    parts = SENTENCES.get(event.kind) or _unknown(event.kind)
    return Markup("").join(
        _fill(visit, task, values, part)
        for part in parts
        if all(name in values for name in NAME.findall(part))
    )


def _unknown(kind: str) -> tuple[str, ...]:
    found = event_kinds.KINDS.get(kind)
    return ("{actor}: " + (found.when if found else kind.replace("_", " ")),)


def _fill(visit: Visit, task: Task, values: Mapping[str, Any], part: str) -> Markup:
    """Texts between the names stand in this module."""
    pieces = NAME.split(part)
    shown = [
        SHOWN.get(piece, _text)(visit, task, values, values[piece]) if n % 2 else escape(piece)
        for n, piece in enumerate(pieces)
    ]
    return Markup("").join(shown)


def _text(_visit: Visit, _task: Task, _values: Mapping[str, Any], value: Any) -> Markup:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return escape(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")


def _words(visit: Visit, task: Task, values: Mapping[str, Any], value: Any) -> Markup:
    return _text(visit, task, values, str(value).replace("_", " "))


def _code(visit: Visit, task: Task, values: Mapping[str, Any], value: Any) -> Markup:
    return Markup("<code>{}</code>").format(_text(visit, task, values, value))


def _actor(visit: Visit, task: Task, values: Mapping[str, Any], value: Any) -> Markup:
    if value == BOT:
        return Markup("Hubbub")
    name = str(value)
    if name.startswith("@") or name == "operator" or set(name) & set("[]/ "):
        return _text(visit, task, values, name)
    return _link(visit.link(f"agents/{name}"), name)


def _pull(visit: Visit, task: Task, _values: Mapping[str, Any], value: Any) -> Markup:
    return _link(visit.github_url(task.repository, value), f"pull request #{value}")


def _comment(visit: Visit, task: Task, values: Mapping[str, Any], value: Any) -> Markup:
    number = values.get("pull") or task.number
    if value is None or number is None:
        return Markup("a comment")
    address = visit.github_url(task.repository, number)
    return _link(f"{address}#issuecomment-{value}", "a comment")


def _task(visit: Visit, task: Task, values: Mapping[str, Any], value: Any) -> Markup:
    name = str(value)
    shown = _link(visit.task_link(name), name)
    return shown if "#" in name else _text(visit, task, values, name)


def _log(_visit: Visit, _task: Task, _values: Mapping[str, Any], value: Any) -> Markup:
    """Other programs report where their logs are."""
    return _link(str(value), "log") if str(value).startswith("https://") else Markup("no log")


def _link(address: str, text: str) -> Markup:
    away = Markup("") if address.startswith("/") else Markup(' rel="noreferrer"')
    return Markup('<a href="{}"{}>{}</a>').format(address, away, text)


# How each of these is shown; the rest as plain text.
SHOWN: dict[str, Show] = {
    "actor": _actor,
    "to": _actor,
    "holder": _actor,
    "number": _pull,
    "pull": _pull,
    "pull_request": _pull,
    "comment_id": _comment,
    "task": _task,
    "state": _words,
    "conclusion": _words,
    "check": _code,
    "branch": _code,
    "url": _log,
}
