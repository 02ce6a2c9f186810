"""Issues: creation, changes, sub-issues and dependencies."""

from collections.abc import Callable
from typing import Any

from bot.comments import markers
from bot.github.payloads import at, text
from bot.github.requests import Request
from bot.outbox.kinds.kind import (
    Kind,
    Result,
    Sending,
    list_entries,
    mentions,
    number_result,
    object_result,
    rest,
)
from store.engine.transaction import Tx
from store.tables.outbox import WriteRow
from store.tasks import tasks

ALL = "/repos/{repository}/issues"
ONE = "/repos/{repository}/issues/{number}"
SUB_ISSUES = f"{ONE}/sub_issues"
# GitHub replaces these lists as a whole. Each function gives the name of an entry.
SETS: dict[str, Callable[[Any], str]] = {
    "labels": lambda each: text(at(each, "name")),
    "assignees": lambda each: text(at(each, "login")),
}
BLOCKED_BY = f"{ONE}/dependencies/blocked_by"


async def stored_issue(tx: Tx, write: WriteRow) -> dict[str, Any]:
    """The issue of a task, if a webhook has already said that it exists."""
    if write["task_id"] is None:
        return {}
    task = await tasks.get(tx, write["installation_id"], write["task_id"])
    if task is None or not task["issue_id"]:
        return {}
    return {"echo": {"id": task["issue_id"], "number": task["number"], "url": None}}


def _issue_body(sending: Sending) -> dict[str, Any]:
    body = sending.body
    if task_id := sending.arguments.get("task_id"):
        body = f"{markers.write(sending.keys, 'task', task_id)}\n{body}"
    return sending.pick("title", "labels", "assignees", "milestone", "type") | {"body": body}


def _look_for_issue(sending: Sending) -> Request:
    query = f"state=all&sort=created&direction=desc&since={sending.since()}&per_page=100"
    return Request("GET", f"{sending.path(ALL)}?{query}")


def _issue_read(sending: Sending) -> list[Request]:
    """Reads the issue before labels or assignees change, because GitHub replaces the whole list."""
    sets = [name for name in SETS if name in sending.arguments]
    return [Request("GET", sending.path(ONE))] if sets else []


def _update_body(sending: Sending) -> dict[str, Any]:
    """The new fields. Of labels and assignees only those named in the write change."""
    fields = sending.pick("title", "state", "state_reason", "milestone", "type")
    if "body" in sending.arguments:
        fields["body"] = sending.body
    for name, of_each in SETS.items():
        if name in sending.arguments:
            now = list_entries(at(sending.prepared[0], name)) or []
            fields[name] = names_after([of_each(each) for each in now], sending.arguments[name])
    return fields


def names_after(now: list[str], change: dict[str, list[str]]) -> list[str]:
    """The names with `add` and without `remove`. GitHub ignores their case."""
    gone = {each.casefold() for each in change["remove"]}
    kept = [each for each in now if each.casefold() not in gone]
    there = {each.casefold() for each in kept}
    return kept + [each for each in change["add"] if each.casefold() not in there]


def _update_result(data: Any) -> Result:
    found = at(data, "assignees")
    logins = [at(each, "login") for each in found] if isinstance(found, list) else []
    return number_result(data) | {"assignees": logins}


def _is_its_child(sending: Sending, entry: Any) -> bool:
    return bool(at(entry, "id") == sending.arguments["sub_issue_id"])


def _is_its_blocker(sending: Sending, entry: Any) -> bool:
    return bool(at(entry, "id") == sending.arguments["issue_id"])


def _child_body(sending: Sending) -> dict[str, Any]:
    return sending.pick("sub_issue_id", "replace_parent")


KINDS = {
    "issue": Kind(
        "issues: write",
        rest("POST", ALL, _issue_body),
        number_result,
        notifies=True,
        stored_values=stored_issue,
        look=_look_for_issue,
    ),
    "issue_update": Kind(
        "issues: write",
        rest("PATCH", ONE, _update_body),
        _update_result,
        prepare=_issue_read,
        # Without the whole lists the write would remove what others set.
        fits_prepared=lambda data: all(isinstance(at(data, name), list) for name in SETS),
        overwrites="given",
    ),
    "sub_issue": Kind(
        "issues: write",
        rest("POST", SUB_ISSUES, _child_body),
        number_result,
        notifies=True,
        look=lambda sending: Request("GET", sending.path(SUB_ISSUES) + "?per_page=100"),
        found=_is_its_child,
        already=mentions("sub issue"),
    ),
    "sub_issue_removal": Kind(
        "issues: write",
        rest("DELETE", f"{ONE}/sub_issue", lambda sending: sending.pick("sub_issue_id")),
        object_result,
        notifies=True,
        done=(404, 410),
    ),
    "blocked_by": Kind(
        "issues: write",
        rest("POST", BLOCKED_BY, lambda sending: sending.pick("issue_id")),
        number_result,
        notifies=True,
        look=lambda sending: Request("GET", sending.path(BLOCKED_BY) + "?per_page=100"),
        found=_is_its_blocker,
        already=mentions("already been taken"),
    ),
    "blocked_by_removal": Kind(
        "issues: write",
        rest("DELETE", f"{BLOCKED_BY}/{{issue_id}}"),
        object_result,
        notifies=True,
        done=(404, 410),
    ),
}
