"""What a message of A2A is to Hubbub: a new task, a message to an agent, or a comment.

The rule, which docs/reference/protocols.md has too. A message for a task that has ended is refused.
A message for any other task goes to the agent that holds it or has it reserved; without one, or if
a person answers a question, it becomes a comment on the issue. A message with `to`, or from an
interface of an agent, or in a thread, goes to agents. Every other message makes a task.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from bot.identity.actors import SLUG
from bot.protocols.a2a import data_parts, errors, states
from bot.protocols.a2a.errors import RpcError, invalid
from bot.protocols.a2a.requests import Message, Part, SendMessage
from bot.protocols.a2a.tasks import Values

# Begins the tenant of an interface whose messages go to one agent. Another tenant is a repository.
AGENT = "agent:"
REPOSITORY = re.compile(r"[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}")
LONGEST_TITLE = 80
# The ids of messages and threads begin so.
THREAD = "m_"
Kind: TypeAlias = Literal["create_task", "send_message", "github_comment_issue", "attach_file"]


# Of a file without one.
NO_NAME = "file"


@dataclass(frozen=True)
class Call:
    """An operation to call, with a key by which a repeated message does it once."""

    operation: Kind
    arguments: Mapping[str, Any]
    key: str


@dataclass(frozen=True)
class Sent:
    """A message as Hubbub reads it. `more`: what the metadata says, by argument's name."""

    message: Message
    text: str
    tenant: str | None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return "a2a-" + hashlib.sha256(self.message.message_id.encode()).hexdigest()[:48]

    @property
    def first_text(self) -> str:
        """What is no file, or else all."""
        texts = (each.text or "" for each in self.message.parts)
        return next((each for each in texts if each.strip()), self.text)

    @property
    def is_in_thread(self) -> bool:
        context = self.message.context_id or ""
        return context.startswith(THREAD)

    @property
    def recipient(self) -> str | None:
        if "to" in self.more:
            return str(self.more["to"])
        return self.tenant.removeprefix(AGENT) if self.tenant and is_agent(self.tenant) else None


def is_agent(tenant: str | None) -> bool:
    return tenant is not None and tenant.startswith(AGENT)


def read(request: SendMessage) -> Sent:
    """Raise RpcError."""
    check_tenant(request.tenant)
    settings = request.configuration
    if settings is not None and settings.task_push_notification_config:
        raise no_push()
    more = {**_hubbub(request.metadata, "metadata")}
    more |= _hubbub(request.message.metadata, "message.metadata")
    return Sent(request.message, _text(request.message), request.tenant, more)


def no_push() -> RpcError:
    return RpcError(
        errors.NO_PUSH,
        "Push notifications are not supported. Subscribe to the task, or poll it.",
    )


def check_tenant(tenant: str | None) -> None:
    """Raise RpcError unless it is a repository, an agent or missing."""
    if tenant is None or REPOSITORY.fullmatch(tenant):
        return
    if not is_agent(tenant) or not re.fullmatch(SLUG, tenant.removeprefix(AGENT)):
        raise invalid("tenant", f"must be owner/repo, or {AGENT} and an agent's id")


def _hubbub(metadata: Mapping[str, Any] | None, place: str) -> Mapping[str, Any]:
    found = (metadata or {}).get("hubbub", {})
    if not isinstance(found, dict):
        raise invalid(f"{place}.hubbub", "must be an object with arguments by name")
    return found


def _text(message: Message) -> str:
    parts = [_part_text(each, f"message.parts.{n}") for n, each in enumerate(message.parts)]
    if not any(each.strip() for each in parts):
        raise invalid("message.parts", "has no text")
    return "\n\n".join(parts)


def files_of(sent: Sent) -> list[Call]:
    """The files of a message, each stored once for the message."""
    parts = [each for each in sent.message.parts if each.raw is not None]
    return [
        Call(
            "attach_file",
            {
                "name": each.filename or NO_NAME,
                "base64": data_parts.standard_base64(each.raw or ""),
            },
            f"{sent.key}-{n}",
        )
        for n, each in enumerate(parts)
    ]


def _part_text(part: Part, place: str) -> str:
    if part.raw is not None:
        return f"{part.filename or NO_NAME} is attached."
    if part.text is not None:
        return part.text
    if part.url is not None:
        return f"{part.filename or 'File'}: {part.url}"
    if "data" in part.model_fields_set:
        if (text := data_parts.text_of(part.data)) is None:
            raise invalid(place, f"has data that is nested more than {data_parts.DEEPEST} levels")
        return text
    raise invalid(place, "has no text, url or data")


def has_ended(task: Values) -> bool:
    return states.of_task(task["state"], asks=False) in states.TERMINAL


def check_context(sent: Sent, context: str) -> None:
    """Raise RpcError if the message names another context than that of its task (3.4.3)."""
    if sent.message.context_id not in (None, context):
        raise invalid("message.contextId", f"is not that of the task, {context}")


def to_task(sent: Sent, task: Values, *, by_person: bool) -> Call:
    """Raise RpcError if the task has ended."""
    if has_ended(task):
        raise RpcError(
            errors.UNSUPPORTED,
            f"The task is {task['state']}, so it takes no messages. Send one without taskId to "
            "make a new task in the same context.",
            metadata={"taskId": task["id"]},
        )
    who = sent.more.get("to") or _reader(task)
    if who is None or (by_person and task.get("question")):
        _refuse_more(sent, {"to"})
        comment = {"issue": task["id"], "body": sent.text}
        return Call("github_comment_issue", comment, sent.key)
    arguments = {**sent.more, "to": who, "task": task["id"], "body": sent.text}
    return Call("send_message", arguments, sent.key)


def _reader(task: Values) -> str | None:
    """The agent that holds the task or has it reserved. A person reads the issue."""
    who = task.get("holder") or task.get("assigned_to")
    return None if who is None or who.startswith("@") else str(who)


def _refuse_more(sent: Sent, known: set[str]) -> None:
    for name in sent.more:
        if name not in known:
            raise invalid(f"metadata.hubbub.{name}", "does not apply: the message is a comment")


def to_agents(sent: Sent, to: str) -> Call:
    """Raise RpcError if the context cannot be kept (3.4.1)."""
    arguments = {**sent.more, "to": to, "body": sent.text}
    if sent.is_in_thread:
        arguments["reply_to"] = sent.message.context_id
    elif sent.message.context_id is not None:
        raise invalid(
            "message.contextId", "is no thread: a message to agents has the context of its thread"
        )
    return Call("send_message", arguments, sent.key)


def new_task(sent: Sent, repository: str | None = None) -> Call:
    """Raise RpcError if nothing says in which repository.

    `repository`: that of the task before it in the same context.
    """
    where = sent.more.get("repository") or sent.tenant or repository
    if where is None:
        raise invalid(
            "metadata.hubbub.repository",
            "is missing: name the repository of the new task, or use the card of a repository, at "
            "/a2a/repositories/<owner>/<repo>",
        )
    first = next(line.strip() for line in sent.first_text.splitlines() if line.strip())
    title = first if len(first) <= LONGEST_TITLE else f"{first[: LONGEST_TITLE - 1]}…"
    arguments = {"title": title, "body": sent.text, **sent.more, "repository": where}
    return Call("create_task", arguments, sent.key)


def confirmation(answer: Values, message_id: str) -> Values:
    """The message that answers a message to agents. Its context is the thread."""
    who = ", ".join(answer["recipients"]) or "nobody"
    full = f" The inbox of {', '.join(answer['full'])} is full." if answer.get("full") else ""
    text = f"Sent to {who}.{full} Answers come as messages in this thread."
    return {
        "messageId": f"{answer['message_id']} answer",
        "contextId": answer["thread_id"],
        "role": "ROLE_AGENT",
        "parts": [{"text": text, "mediaType": "text/plain"}],
        "metadata": {
            "hubbub": {
                "message_id": answer["message_id"],
                "recipients": answer["recipients"],
                "in_answer_to": message_id,
            }
        },
    }
