"""Events of a task as updates of A2A. Each event makes the same update on every stream."""

from collections.abc import Sequence
from typing import Any

from bot.protocols.a2a import states, tasks
from bot.protocols.a2a.tasks import Values

# What the state is after an event, and what to say beside the event's own words.
AFTER: dict[str, tuple[str, str]] = {
    "task.ready": (states.SUBMITTED, "It can be claimed"),
    "task.claimed": (states.WORKING, "{actor} claimed it"),
    "task.assigned": (states.SUBMITTED, "It is reserved for {to}"),
    "task.unassigned": (states.SUBMITTED, "The reservation for {to} ended"),
    "task.progress": (states.WORKING, "{progress} % done"),
    "task.asked": (states.INPUT_REQUIRED, "{question}"),
    "task.answered": (states.WORKING, "The question was answered"),
    "task.unasked": (states.WORKING, "The question could not be posted"),
    "task.pull": (states.WORKING, "Pull request #{number} was opened"),
    "task.in_progress": (states.WORKING, "Work goes on"),
    "task.in_review": (states.WORKING, "It waits for a review"),
    "task.completed": (states.COMPLETED, "{actor} completed it"),
    "task.failed": (states.FAILED, "{actor} gave it up"),
    "task.cancelled": (states.CANCELED, "{actor} cancelled it"),
    "task.pending": (states.SUBMITTED, "It is open again"),
    "task.released": (states.SUBMITTED, "{holder} gave it back"),
    "task.revoked": (states.SUBMITTED, "The claim of {holder} was ended"),
    "task.expired": (states.SUBMITTED, "The claim of {holder} expired"),
}
# After these there may be artifacts that were not there before.
MAKE_ARTIFACTS = frozenset(
    {"task.pull", "task.in_review", "task.completed", "task.failed", "task.cancelled"}
)


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "somebody" if key != "progress" else "?"


def of_event(event: Values, task_id: str, context: str) -> Values | None:
    """The status update of an event as `wait_for_events` shows it. None: it changes no status."""
    if event["kind"] not in AFTER:
        return None
    state, words = AFTER[event["kind"]]
    data = event["data"]
    text = words.format_map(_Known({"actor": event["actor"], **data}))
    if data.get("why"):
        text = f"{text}: {data['why']}"
    status = {
        "state": state,
        "timestamp": event["at"],
        "message": tasks.agent_message(
            context, task_id, f"{task_id} {event['kind']} {event['at']}", text
        ),
    }
    return status_update(
        task_id, context, status, {"event": event["kind"], "actor": event["actor"]}
    )


def status_update(
    task_id: str, context: str, status: Values, about: Values | None = None
) -> Values:
    update: dict[str, Any] = {"taskId": task_id, "contextId": context, "status": status}
    if about is not None:
        update["metadata"] = {"hubbub": about}
    return {"statusUpdate": update}


def ends(update: Values, states_of_end: frozenset[str]) -> bool:
    """Whether the update says that the task is in one of the states."""
    change = update.get("statusUpdate")
    return change is not None and change["status"]["state"] in states_of_end


def artifact_updates(
    task_id: str, context: str, before: Sequence[Values], now: Sequence[Values]
) -> list[Values]:
    """Updates for the artifacts that are new or have changed. A file never changes."""
    files = {each["artifactId"] for each in before if each["artifactId"].startswith(tasks.FILE)}
    return [
        {
            "artifactUpdate": {
                "taskId": task_id,
                "contextId": context,
                "artifact": each,
                "lastChunk": True,
            }
        }
        for each in now
        if each not in before and each["artifactId"] not in files
    ]
