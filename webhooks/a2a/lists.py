"""ListTasks: pages of tasks, the last changed first (3.1.4)."""

from typing import Any

from bot.kernel import pagination
from bot.kernel.pagination import LARGEST
from bot.operations.tasks.tasks import LAST_CHANGED_FIRST
from bot.protocols.a2a import errors, requests, sending, states, tasks
from bot.protocols.a2a.tasks import Values
from webhooks.a2a.session import Session

PAGE = 50
# The states of `list_tasks` that have all tasks of a state of A2A.
LISTED = {
    states.SUBMITTED: "open",
    states.WORKING: "open",
    states.INPUT_REQUIRED: "open",
    states.COMPLETED: "completed",
    states.FAILED: "failed",
    states.CANCELED: "cancelled",
}


async def show(session: Session, params: requests.ListTasks) -> Values:
    """Last changed first (3.1.4)."""
    size = params.page_size or PAGE
    if params.status is not None and params.status not in states.ALL:
        raise errors.invalid("status", f"must be one of {', '.join(sorted(states.ALL))}")
    found, following = await _page(session, params, size)
    contexts = await session.contexts([each["id"] for each in found])
    shown = [
        await _list_entry(session, params, task, contexts.get(task["id"]))
        for task in found
        if _is_wanted(params, tasks.state_of(task), task)
    ]
    if found and not _is_late_enough(params, found[-1]):
        following = None  # all others changed before that time
    return {
        "tasks": shown,
        "nextPageToken": following or "",
        "pageSize": size,
        # Of this page: Hubbub counts tasks for people only.
        "totalSize": len(shown),
    }


async def _page(
    session: Session, params: requests.ListTasks, size: int
) -> tuple[list[dict[str, Any]], str | None]:
    if params.context_id is not None:
        return await _page_of_context(session, params.context_id, params.page_token, size)
    state = LISTED.get(params.status, "none") if params.status else "any"
    if state == "none":
        return [], None
    arguments: dict[str, Any] = {"state": state, "detail": "full", "limit": size}
    arguments["cursor"] = params.page_token or LAST_CHANGED_FIRST
    if params.tenant is not None and not sending.is_agent(params.tenant):
        arguments["repository"] = params.tenant
    answer = await session.call("list_tasks", arguments)
    return answer["tasks"], answer["next_cursor"]


async def _page_of_context(
    session: Session, context: str, token: str | None, size: int
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of the tasks of a context: with the time of its change, each has its place."""
    every = await session.changed_tasks_of(context)
    before = _place(token) if token else (LARGEST, "")
    here = [each for each in every if each < before][: size + 1]
    found = [await session.known_task(task_id) for _, task_id in here[:size]]
    following = pagination.encode(" ".join(map(str, here[size - 1]))) if len(here) > size else None
    return [each["task"] for each in found if each], following


def _place(token: str) -> tuple[int, str]:
    at, _, task_id = pagination.decode(token).partition(" ")
    if not (at.isascii() and at.isdecimal()) or len(at) > 18:
        raise pagination.wrong_cursor()
    return int(at), task_id


def _is_wanted(params: requests.ListTasks, state: str, task: Values) -> bool:
    return params.status in (None, state) and _is_late_enough(params, task)


def _is_late_enough(params: requests.ListTasks, task: Values) -> bool:
    if params.status_timestamp_after is None:
        return True
    try:
        return tasks.is_after(task, params.status_timestamp_after)
    except ValueError as exc:
        raise errors.invalid("statusTimestampAfter", "must be a time in ISO 8601") from exc


async def _list_entry(
    session: Session, params: requests.ListTasks, task: Values, context: str | None
) -> Values:
    """With history and artifacts only if the caller asks for them, as each costs a read."""
    if not params.include_artifacts and not params.history_length:
        return tasks.of_answer({"task": task, "context": context}, artifacts=False)
    found = await session.task(task["id"])
    return tasks.of_answer(
        found, params.history_length or 0, artifacts=bool(params.include_artifacts)
    )
