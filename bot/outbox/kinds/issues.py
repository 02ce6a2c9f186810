"""Issues: what they say, and how they depend on each other."""

from collections.abc import Callable
from typing import Any

from bot.comments import markers
from bot.github.payloads import at, text
from bot.github.requests import Request
from bot.outbox.kinds.kind import Kind, Result, Sending, did, listed, numbered, rest, says
from store.engine.transaction import Tx
from store.tables.outbox import WriteRow
from store.tasks import tasks

ALL = "/repos/{repository}/issues"
ONE = "/repos/{repository}/issues/{number}"
SUB_ISSUES = f"{ONE}/sub_issues"
# What GitHub takes as a whole list, and the name of each entry.
SETS: dict[str, Callable[[Any], str]] = {
    "labels": lambda each: text(at(each, "name")),
    "assignees": lambda each: text(at(each, "login")),
}
BLOCKED_BY = f"{ONE}/dependencies/blocked_by"


async def know_bound(tx: Tx, write: WriteRow) -> dict[str, Any]:
    """A task's issue, when a webhook has brought it already."""
    if write["task_id"] is None:
        return {}
    task = await tasks.get(tx, write["installation_id"], write["task_id"])
    if task is None or not task["issue_id"]:
        return {}
    return {"echo": {"id": task["issue_id"], "number": task["number"], "url": None}}


def _issue(sending: Sending) -> dict[str, Any]:
    body = sending.body
    if task_id := sending.arguments.get("task_id"):
        body = f"{markers.write(sending.keys, 'task', task_id)}\n{body}"
    return sending.pick("title", "labels", "assignees", "milestone", "type") | {"body": body}


def _look_for_issue(sending: Sending) -> Request:
    query = f"state=all&sort=created&direction=desc&since={sending.since()}&per_page=100"
    return Request("GET", f"{sending.path(ALL)}?{query}")


def _as_it_is(sending: Sending) -> list[Request]:
    """Of a set only what was meant to change may: GitHub takes it whole."""
    sets = [name for name in SETS if name in sending.arguments]
    return [Request("GET", sending.path(ONE))] if sets else []


def _update(sending: Sending) -> dict[str, Any]:
    """Fields overwrite; of labels and assignees only what was meant to change does."""
    fields = sending.pick("title", "state", "state_reason", "milestone", "type")
    if "body" in sending.arguments:
        fields["body"] = sending.body
    for name, of_each in SETS.items():
        if name in sending.arguments:
            now = listed(at(sending.prepared[0], name)) or []
            fields[name] = changed([of_each(each) for each in now], sending.arguments[name])
    return fields


def changed(now: list[str], change: dict[str, list[str]]) -> list[str]:
    """A set of names with `add` and without `remove`; to GitHub, case is the same."""
    gone = {each.casefold() for each in change["remove"]}
    kept = [each for each in now if each.casefold() not in gone]
    there = {each.casefold() for each in kept}
    return kept + [each for each in change["add"] if each.casefold() not in there]


def _updated(data: Any) -> Result:
    found = at(data, "assignees")
    logins = [at(each, "login") for each in found] if isinstance(found, list) else []
    return numbered(data) | {"assignees": logins}


def _is_the_child(sending: Sending, entry: Any) -> bool:
    return bool(at(entry, "id") == sending.arguments["sub_issue_id"])


def _is_the_blocker(sending: Sending, entry: Any) -> bool:
    return bool(at(entry, "id") == sending.arguments["issue_id"])


def _child(sending: Sending) -> dict[str, Any]:
    return sending.pick("sub_issue_id", "replace_parent")


KINDS = {
    "issue": Kind(
        "issues: write",
        rest("POST", ALL, _issue),
        numbered,
        notifies=True,
        know=know_bound,
        look=_look_for_issue,
    ),
    "issue_update": Kind(
        "issues: write",
        rest("PATCH", ONE, _update),
        _updated,
        prepare=_as_it_is,
        overwrites="given",
    ),
    "sub_issue": Kind(
        "issues: write",
        rest("POST", SUB_ISSUES, _child),
        numbered,
        notifies=True,
        look=lambda sending: Request("GET", sending.path(SUB_ISSUES) + "?per_page=100"),
        found=_is_the_child,
        already=says("sub issue"),
    ),
    "sub_issue_removal": Kind(
        "issues: write",
        rest("DELETE", f"{ONE}/sub_issue", lambda sending: sending.pick("sub_issue_id")),
        did,
        notifies=True,
        done=(404, 410),
    ),
    "blocked_by": Kind(
        "issues: write",
        rest("POST", BLOCKED_BY, lambda sending: sending.pick("issue_id")),
        numbered,
        notifies=True,
        look=lambda sending: Request("GET", sending.path(BLOCKED_BY) + "?per_page=100"),
        found=_is_the_blocker,
        already=says("already been taken"),
    ),
    "blocked_by_removal": Kind(
        "issues: write",
        rest("DELETE", f"{BLOCKED_BY}/{{issue_id}}"),
        did,
        notifies=True,
        done=(404, 410),
    ),
}
