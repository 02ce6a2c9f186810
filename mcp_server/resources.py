"""The MCP resources. Each is the answer of an operation."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import mcp_types as types
from mcp.shared.exceptions import MCPError

from bot.dispatch.dispatcher import Dispatcher
from bot.dispatch.replies import Reply
from bot.errors import Refused, failure
from bot.identity import permissions
from bot.identity.actors import Actor
from mcp_server.authentication import Asking
from mcp_server.running_calls import caller_of

JSON = "application/json"
Answer: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Resource:
    """`arguments` makes arguments of the words in braces of the `uri`.

    Events of `topics` report changes. With a `subject`, found in the operation's answer, only
    events about that subject do.
    """

    uri: str
    name: str
    description: str
    operation: str
    topics: tuple[str, ...]
    arguments: Callable[[Mapping[str, str]], Answer] = dict
    subject: Callable[[Answer], str] | None = None
    # The content as bytes: its type, and base64. Without it, or if it is None, JSON is read.
    content: Callable[[Any], tuple[str, str] | None] | None = None

    @property
    def is_template(self) -> bool:
        return "{" in self.uri

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/?#\\s]+)", self.uri))


# It has no events. A stream that watches it compares it from time to time.
BUDGET = Resource(
    uri="hubbub://budget",
    name="budget",
    description="What is left of GitHub's limits, and what is queued.",
    operation="get_budget",
    topics=(),
)
RESOURCES = (
    Resource(
        uri="hubbub://inbox",
        name="inbox",
        description="Your unread messages, not taken, and your last notices.",
        operation="get_messages",
        topics=("message", "inbox"),
        arguments=lambda _: {"state": "notices", "limit": 50},
    ),
    Resource(
        uri="hubbub://tasks/ready",
        name="ready tasks",
        description="Tasks that you can claim now, the best first.",
        operation="list_tasks",
        topics=("task",),
        arguments=lambda _: {"state": "ready", "limit": 100},
    ),
    Resource(
        uri="hubbub://task/{owner}/{repo}/{number}",
        name="task",
        description="A task with its issue, relations, pull requests and newest comments.",
        operation="get_task",
        topics=("task",),
        arguments=lambda words: {"task": "{owner}/{repo}#{number}".format_map(words)},
        subject=lambda answer: str(answer["task"]["id"]),
    ),
    Resource(
        uri="hubbub://context/{id}",
        name="context",
        description="The newest version of a document that agents share.",
        operation="get_context",
        topics=("context",),
        arguments=lambda words: {"context_id": words["id"]},
        subject=lambda answer: str(answer["context"]["id"]),
    ),
    Resource(
        uri="hubbub://blob/{sha256}",
        name="file",
        description="An attached file up to 256 KiB; of a larger one, a link to download it.",
        operation="get_attachment",
        topics=(),
        arguments=lambda words: {"attachment_id": words["sha256"], "inline": True},
        content=lambda answer: answer.inline and (answer.inline.type, answer.inline.data),
    ),
    BUDGET,
)


@dataclass(frozen=True)
class Address:
    """A URI with its resource and the arguments of the operation."""

    uri: str
    resource: Resource
    arguments: Answer


def address(uri: str) -> Address:
    """Raise MCPError."""
    for each in RESOURCES:
        if found := each.pattern.fullmatch(uri):
            return Address(uri, each, each.arguments(found.groupdict()))
    known = ", ".join(each.uri for each in RESOURCES)
    raise unknown(uri, f"There is no resource {uri!r}. The resources are {known}.")


def unknown(uri: str, message: str, **more: Any) -> MCPError:
    """The error that the protocol defines for an unknown resource."""
    return MCPError(types.INVALID_PARAMS, message, {"uri": uri, **more})


async def reply(dispatcher: Dispatcher, context: Asking, actor: Actor, where: Address) -> Reply:
    """The reply of the resource's operation to this actor. Raise MCPError."""
    operation, arguments = where.resource.operation, where.arguments
    try:
        return await dispatcher.reply(actor, operation, arguments, None, caller_of(context))
    except Refused as exc:
        raise _refusal(where.uri, exc) from exc
    except Exception as exc:  # every bug is logged and answered
        raise _refusal(where.uri, failure(exc, resource=where.uri)) from exc


def _refusal(uri: str, refused: Refused) -> MCPError:
    if refused.status >= 500:
        return MCPError(types.INTERNAL_ERROR, refused.message, {"uri": uri, **refused.body()})
    return unknown(uri, refused.message, **refused.body())


async def read(
    dispatcher: Dispatcher, context: Asking, actor: Actor, uri: str
) -> types.ReadResourceResult:
    where = address(uri)
    found = await reply(dispatcher, context, actor, where)
    content = where.resource.content(found.answer) if where.resource.content else None
    if content is not None:
        kind, data = content
        blob = types.BlobResourceContents(uri=uri, mime_type=kind, blob=data)
        return types.ReadResourceResult(contents=[blob])
    text = found.lean_json()
    return types.ReadResourceResult(
        contents=[types.TextResourceContents(uri=uri, mime_type=JSON, text=text)]
    )


def _for(actor: Actor, *, templates: bool) -> list[Resource]:
    return [
        each
        for each in RESOURCES
        if each.is_template == templates and permissions.may_call(actor, each.operation)
    ]


def visible_resources(actor: Actor) -> list[types.Resource]:
    return [
        types.Resource(uri=each.uri, name=each.name, description=each.description, mime_type=JSON)
        for each in _for(actor, templates=False)
    ]


def templates(actor: Actor) -> list[types.ResourceTemplate]:
    return [
        types.ResourceTemplate(
            uri_template=each.uri, name=each.name, description=each.description, mime_type=JSON
        )
        for each in _for(actor, templates=True)
    ]
