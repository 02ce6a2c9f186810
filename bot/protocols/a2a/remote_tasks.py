"""What an agent that speaks A2A says of a task. All texts in it are the agent's, and bounded."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bot.files.rules import LARGEST_IN_CALL, MOST_ON_ONE
from bot.protocols.a2a import data_parts
from bot.protocols.a2a.remote import Problem
from bot.protocols.states import FROM_A2A, Step

# Characters of what is read of a text, and parts and artifacts that are looked at.
LONGEST_TEXT, MOST_PARTS, MOST_ARTIFACTS = 50_000, 50, 50
LONGEST_ID = 200
LONGEST_NAME = 200
# Characters of base64.
LARGEST_RAW = LARGEST_IN_CALL // 3 * 4
# By the conventions of Google ADK, which others follow with a prefix of their own, such as
# `adk_thought` and `adk_type`. https://github.com/google/adk-python/issues/4676
THOUGHT, TYPE = re.compile(r"(\w{1,20}[_/:])?(is_)?thought"), re.compile(r"\w{1,20}[_/:]type")
CALLS = ("function_call", "function_response")
STEPS: dict[str, Step] = {name: step for name, step in FROM_A2A.items()}  # noqa: C416 - mypy


class RemoteFile(NamedTuple):
    name: str
    base64: str


@dataclass(frozen=True)
class RemoteTask:
    """`state`: as the agent names it. `said`: the text of its status."""

    id: str
    context: str
    state: str
    step: Step
    said: str
    artifacts: tuple[str, ...]
    # The data of the artifacts, by name.
    values: Mapping[str, Any]
    # The bytes of the artifacts, those that are small enough to keep.
    files: tuple[RemoteFile, ...] = ()

    @property
    def result(self) -> str:
        """The artifacts; without one, the last words."""
        return "\n\n".join(self.artifacts)[:LONGEST_TEXT] or self.said


def read_answer(result: Any) -> RemoteTask | str:
    """The task, or the text of a message, in an answer to SendMessage. Raise Problem."""
    match result:
        case {"task": dict(task)}:
            return read_task(task, sent=True)
        case {"message": {"parts": list(parts)}}:
            return text_of(parts)
    raise Problem("its answer has neither a task nor a message", sent=True)


def read_task(task: Any, *, sent: bool = False) -> RemoteTask:
    """Raise Problem."""
    match task:
        case {"id": str(task_id), "status": {"state": str(state)} as status} if task_id:
            step = STEPS.get(state)
            if step is None:
                raise Problem(f"it named a state that A2A does not have: {state[:40]!r}", sent=sent)
            if len(task_id) > LONGEST_ID:
                raise Problem("the id of its task is too long", sent=sent)
            context = task.get("contextId")
            return RemoteTask(
                task_id,
                context[:LONGEST_ID] if isinstance(context, str) else "",
                state,
                step,
                _message_text(status.get("message")),
                _artifacts(task.get("artifacts")),
                _values(task.get("artifacts")),
                _files(task.get("artifacts")),
            )
    raise Problem("its answer is not a task", sent=sent)


def _message_text(message: Any) -> str:
    match message:
        case {"parts": list(parts)}:
            return text_of(parts)
    return ""


def _artifacts(given: Any) -> tuple[str, ...]:
    found = given if isinstance(given, list) else []
    texts = [_artifact(each) for each in found[:MOST_ARTIFACTS] if isinstance(each, dict)]
    return tuple(filter(None, texts))


def _artifact(artifact: Mapping[str, Any]) -> str:
    parts = artifact.get("parts")
    return text_of(parts if isinstance(parts, list) else [])


def _values(given: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in _parts(given):
        if isinstance(part.get("data"), dict):
            found |= part["data"]
    return found


def _files(given: Any) -> tuple[RemoteFile, ...]:
    found = [
        RemoteFile(_name(part), data_parts.standard_base64(part["raw"]))
        for part in _parts(given)
        if "text" not in part and "url" not in part and _is_kept(part)
    ]
    return tuple(found[:MOST_ON_ONE])


def _parts(given: Any) -> list[Mapping[str, Any]]:
    """The parts of all artifacts."""
    artifacts = given[:MOST_ARTIFACTS] if isinstance(given, list) else []
    lists = [each.get("parts") for each in artifacts if isinstance(each, dict)]
    return [part for each in lists if isinstance(each, list) for part in _of_answer(each)]


def _is_kept(part: Mapping[str, Any]) -> bool:
    """Whether its bytes are so few that a call stores them as a file."""
    raw = part.get("raw")
    return isinstance(raw, str) and 0 < len(raw) <= LARGEST_RAW


def _name(part: Mapping[str, Any]) -> str:
    return str(part.get("filename") or "file")[:LONGEST_NAME]


def text_of(parts: Sequence[Any]) -> str:
    texts = [_part(each) for each in _of_answer(parts)]
    # No operation takes a NUL, and nobody misses it.
    return "\n\n".join(filter(None, texts))[:LONGEST_TEXT].replace("\0", "")


def _of_answer(parts: Sequence[Any]) -> list[Mapping[str, Any]]:
    """Without what the agent only thought, or called: frameworks mark that in the metadata."""
    found = [each for each in parts[:MOST_PARTS] if isinstance(each, dict)]
    return [each for each in found if not _is_inner(each.get("metadata"))]


def _is_inner(metadata: Any) -> bool:
    if not isinstance(metadata, dict):
        return False
    return any(
        (THOUGHT.fullmatch(name) and value in (True, "true"))
        or (TYPE.fullmatch(name) and value in CALLS)
        for name, value in metadata.items()
    )


def _part(part: Mapping[str, Any]) -> str:
    match part:
        case {"text": str(text)}:
            return text
        case {"url": str(url)}:
            return f"{str(part.get('filename') or 'File')[:100]}: {url[:2000]}"
        case {"raw": str(raw)}:
            kind, size = str(part.get("mediaType") or "file")[:100], len(raw) * 3 // 4
            return f"({_name(part)}: {kind} of about {size} bytes)"
        case {"data": data}:
            return data_parts.text_of(data) or "(data that is nested too deeply)"
    return ""


def has_message(task: Any, message_id: str) -> bool:
    """Whether the history of a listed task has the message."""
    match task:
        case {"history": list(history)}:
            return any(
                isinstance(each, dict) and each.get("messageId") == message_id for each in history
            )
    return False
