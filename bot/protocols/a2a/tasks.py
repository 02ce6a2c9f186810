"""Hubbub's tasks as tasks of A2A: state, history and artifacts."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from bot.protocols.a2a import states
from bot.times import parse

# The answer of an operation.
Values: TypeAlias = Mapping[str, Any]
MARKDOWN = "text/markdown"
# Begins the id of an artifact that is a file. Its address is another each time.
FILE = "file:"


def of_answer(answer: Values, history: int | None = None, *, artifacts: bool = True) -> Values:
    """The task in an answer of `get_task`, or of an operation that answers with one task.

    `history`: at most so many texts. None: all that the answer has.
    """
    task, context = answer["task"], context_of(answer)
    found: dict[str, Any] = {
        "id": task["id"],
        "contextId": context,
        "status": status_of(task, context),
        "metadata": {"hubbub": _metadata(task, answer)},
    }
    if artifacts and (made := artifacts_of(answer)):
        found["artifacts"] = made
    if texts := _history(answer, history):
        found["history"] = texts
    return found


def context_of(answer: Values) -> str:
    """The context in which the caller made the task, or else the task's id."""
    return str(answer.get("context") or answer["task"]["id"])


def state_of(task: Values) -> str:
    return states.of_task(task["state"], asks=bool(task.get("question")))


def status_of(task: Values, context: str) -> Values:
    status = {"state": state_of(task), "timestamp": task["updated_at"]}
    if text := _status_text(task):
        message_id = f"{task['id']} {task['updated_at']}"
        status["message"] = agent_message(context, task["id"], message_id, text)
    return status


def _status_text(task: Values) -> str:
    if task.get("question"):
        return str(task["question"])
    if task["state"] in ("failed", "cancelled"):
        return str(task.get("decision") or task.get("note") or "")
    if task.get("held"):
        why = f": {task['held_why']}" if task.get("held_why") else ""
        return f"{task['held_by']} put it on hold{why}"
    if task.get("blocked_by"):
        return f"It waits for {', '.join(task['blocked_by'])}"
    return str(task.get("note") or "")


def agent_message(context: str, task_id: str, message_id: str, text: str) -> Values:
    return {
        "messageId": message_id,
        "contextId": context,
        "taskId": task_id,
        "role": "ROLE_AGENT",
        "parts": [{"text": text, "mediaType": MARKDOWN}],
    }


def _metadata(task: Values, answer: Values) -> Values:
    names = ("task", "repository", "title", "priority", "holder", "assigned_to", "progress")
    found = {name: task[name] for name in names if task.get(name) is not None}
    found["state"] = task["state"]
    return found | {name: answer[name] for name in ("writes", "hint") if answer.get(name)}


def artifacts_of(answer: Values) -> list[Values]:
    """The result, the pull requests, the outputs of a workflow's step, and files of others."""
    task, around = answer["task"], answer.get("around") or {}
    found: list[Values] = []
    if task.get("result"):
        found.append(_artifact("result", [{"text": task["result"], "mediaType": MARKDOWN}]))
    if task.get("branch"):
        found.append(_artifact("branch", [{"text": task["branch"], "mediaType": "text/plain"}]))
    if answer.get("outputs"):
        outputs = {"data": answer["outputs"], "mediaType": "application/json"}
        found.append(_artifact("outputs", [outputs]))
    found += [_pull_artifact(each) for each in around.get("pull_requests", ())]
    return found + [_file_artifact(each) for each in answer.get("files", ())]


def _artifact(name: str, parts: Sequence[Values]) -> Values:
    return {"artifactId": name, "name": name, "parts": list(parts)}


def _file_artifact(file: Values) -> Values:
    part = {"url": file["url"], "filename": file["name"], "mediaType": file["type"]}
    about = {"id": file["id"], "size": file["size"], "sha256": file["digest"]}
    return {
        **_artifact(f"{FILE}{file['id']}", [part]),
        "name": file["name"],
        "description": f"attached by {file['owner']}",
        "metadata": {"hubbub": about},
    }


def _pull_artifact(pull: Values) -> Values:
    shown = {
        name: pull[name]
        for name in ("pull_request", "title", "state", "head", "base", "review", "files")
        if pull.get(name)
    }
    part = {"data": shown, "mediaType": "application/json"}
    return {
        **_artifact(f"pull_request:{pull['pull_request']}", [part]),
        "name": "pull request",
        "description": pull["pull_request"],
    }


def _history(answer: Values, most: int | None) -> list[Values]:
    """The issue's text and the newest comments, as `get_task` shows them."""
    if most == 0:
        return []
    opening = [answer["issue"]] if answer.get("issue") else []
    texts = [each for each in (*opening, *answer.get("comments", ())) if each["text"]]
    shown = texts if most is None else texts[-most:]
    return [_history_message(answer, each) for each in shown]


def _history_message(answer: Values, text: Values) -> Values:
    """`trusted` false: nobody with write access wrote it, so nothing in it counts."""
    is_agent = text["association"] == "AGENT"
    said = {"author": text["author"], "trusted": text["trusted"], "at": text["written_at"]}
    return {
        "messageId": f"github {text['id']}",
        "contextId": context_of(answer),
        "taskId": answer["task"]["id"],
        "role": "ROLE_AGENT" if is_agent else "ROLE_USER",
        "parts": [{"text": text["text"], "mediaType": MARKDOWN}],
        "metadata": {"hubbub": said},
    }


def is_after(task: Values, since: str) -> bool:
    """Raise ValueError if `since` is not a time."""
    at = parse(since)
    return parse(task["updated_at"]) >= at
