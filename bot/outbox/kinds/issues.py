"""Issues: creation, changes, sub-issues and dependencies."""

import hashlib
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
from bot.tasks import label_changes
from bot.tasks.states import OPEN
from store.engine.transaction import Tx
from store.outbox import writes
from store.tables.outbox import WriteRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

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


# By kind: what the request calls the issue at the other end.
OTHER_END = {
    "sub_issue": "sub_issue_id",
    "blocked_by": "issue_id",
    "blocked_by_removal": "issue_id",
}


async def stored_ends(tx: Tx, write: WriteRow) -> dict[str, Any]:
    """The issues of a planned relation, which names tasks: `number_of`, `issue_of`.

    `repository`: where the first one is now, because issues move to other repositories.
    `gone`: a task that gets no issue any more. `lacking`: one that has none yet.
    """
    known: dict[str, Any] = {}
    for name in ("number_of", "issue_of"):
        if (task_id := write["arguments"].get(name)) is None:
            continue
        task = await tasks.get(tx, write["installation_id"], task_id)
        if task is not None and task["issue_id"] is not None:
            at_number = name == "number_of"
            field = "number" if at_number else OTHER_END[write["kind"]]
            known[field] = task["number"] if at_number else task["issue_id"]
            if at_number:
                known["repository"] = task["full_name"]
        elif task is not None and await _gets_an_issue(tx, task):
            known["lacking"] = task["title"]
        else:
            known["gone"] = task["title"] if task else task_id
    return known


async def _gets_an_issue(tx: Tx, task: FullTask) -> bool:
    """Whether the write that creates the task's issue may still be sent."""
    here = (tx, task["installation_id"])
    return task["state"] in OPEN and bool(
        await writes.waiting(*here, f"task {task['id']}", "issue")
    )


def _gone_end(sending: Sending) -> str | None:
    gone = sending.known.get("gone")
    return None if gone is None else f"the task {gone!r} got no issue"


def _lacking_end(sending: Sending) -> str | None:
    lacking = sending.known.get("lacking")
    return None if lacking is None else f"GitHub has not created the issue {lacking!r} yet."


def _other_end(sending: Sending) -> Any:
    name = OTHER_END[sending.write["kind"]]
    return sending.known.get(name, sending.arguments.get(name))


def _issue_body(sending: Sending) -> dict[str, Any]:
    body = sending.body
    if task_id := sending.arguments.get("task_id"):
        body = f"{markers.write(sending.keys, 'task', task_id)}\n{body}"
    return sending.pick("title", "labels", "assignees", "milestone", "type") | {"body": body}


def _look_for_issue(sending: Sending) -> Request:
    query = f"state=all&sort=created&direction=desc&since={sending.since()}&per_page=100"
    return Request("GET", f"{sending.path(ALL)}?{query}")


def _issue_read(sending: Sending) -> list[Request]:
    """Reads the issue before labels or assignees change, because GitHub replaces the whole list.

    Also before a change that gives way to one of somebody else.
    """
    sets = [name for name in (*SETS, "expected") if name in sending.arguments]
    return [Request("GET", sending.path(ONE))] if sets else []


def text_hash(shown: str) -> str:
    """What `expected` has of a title or a body."""
    return hashlib.sha256(shown.encode()).hexdigest()


def _left_out(sending: Sending) -> list[str]:
    """The fields that somebody changed since this write was queued. It leaves them as they are."""
    expected: dict[str, str] = sending.arguments.get("expected", {})
    return [
        name
        for name, was in expected.items()
        if text_hash(text(at(sending.prepared[0], name))) != was
    ]


def _left_result(sending: Sending) -> Result:
    left = _left_out(sending) if sending.prepared else []
    return {"left": left} if left else {}


def _update_body(sending: Sending) -> dict[str, Any]:
    """The new fields. Of labels and assignees only those named in the write change."""
    fields = sending.pick("title", "state", "state_reason", "milestone", "type")
    if "body" in sending.arguments:
        fields["body"] = sending.body
    for name, of_each in SETS.items():
        if name in sending.arguments:
            now = list_entries(at(sending.prepared[0], name)) or []
            fields[name] = label_changes.names_after(
                [of_each(each) for each in now], sending.arguments[name]
            )
    left = _left_out(sending)
    return {name: each for name, each in fields.items() if name not in left}


def _update_result(data: Any) -> Result:
    found = at(data, "assignees")
    logins = [at(each, "login") for each in found] if isinstance(found, list) else []
    return number_result(data) | {"assignees": logins}


def _is_its_child(sending: Sending, entry: Any) -> bool:
    return bool(at(entry, "id") == _other_end(sending))


def _is_its_blocker(sending: Sending, entry: Any) -> bool:
    return bool(at(entry, "id") == _other_end(sending))


def _child_body(sending: Sending) -> dict[str, Any]:
    return {"sub_issue_id": _other_end(sending)} | sending.pick("replace_parent")


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
        keeps=_left_result,
        prepare=_issue_read,
        # Without the whole lists the write would remove what others set.
        fits_prepared=lambda data: all(isinstance(at(data, name), list) for name in SETS),
        overwrites="given",
    ),
    # By GitHub's description of its API, to add a sub-issue notifies nobody; to remove one does.
    "sub_issue": Kind(
        "issues: write",
        rest("POST", SUB_ISSUES, _child_body),
        number_result,
        stored_values=stored_ends,
        unless=_gone_end,
        lacks=_lacking_end,
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
        rest("POST", BLOCKED_BY, lambda sending: {"issue_id": _other_end(sending)}),
        number_result,
        notifies=True,
        stored_values=stored_ends,
        unless=_gone_end,
        lacks=_lacking_end,
        look=lambda sending: Request("GET", sending.path(BLOCKED_BY) + "?per_page=100"),
        found=_is_its_blocker,
        already=mentions("already been taken"),
    ),
    "blocked_by_removal": Kind(
        "issues: write",
        rest("DELETE", f"{BLOCKED_BY}/{{issue_id}}"),
        object_result,
        notifies=True,
        stored_values=stored_ends,
        unless=_gone_end,
        lacks=_lacking_end,
        done=(404, 410),
    ),
}
