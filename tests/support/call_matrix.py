"""Calls that name something foreign, derived from the argument models of all operations."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args, get_origin

from pydantic import BaseModel

from bot.errors import Refused
from bot.kernel import pagination
from bot.kernel.operation import Operation
from bot.operations import OPERATIONS
from tests.support.canaries import ME, OTHER, Side

Values: TypeAlias = Callable[[Side], Sequence[Any]]
# A place in the arguments: names, and 0 for the only member of a list of models.
Place: TypeAlias = tuple[str | int, ...]


def _tasks(side: Side) -> list[str]:
    """Every way to name a task, an issue or a pull request, in several states."""
    return [
        *(side.name(k) for k in (1, 2, 4, 7)),
        side.id("t", 1),
        side.id("t", 2),
        side.name(50),
        side.name(90),
        side.name(2).upper(),
        f"https://github.com/{side.full_name}/issues/{side.number(2)}",
    ]


def _threads(side: Side) -> list[str]:
    return [side.name(2), side.name(7), side.name(50), side.id("t", 2)]


def _words(side: Side) -> list[str]:
    return [f"{side.word} see {side.name(1)} and {side.id('t', 1)}"]


def _title(side: Side) -> list[str]:
    """The title of a task there, which a new one may repeat."""
    return [side.text("title").replace(" ", "-"), *_words(side)]


def _agents(side: Side) -> list[str]:
    return [f"{side.word}-agent"]


def _runs(side: Side) -> list[str]:
    return [side.id("r", 1), side.id("r", 2)]


def _workflows(side: Side) -> list[str]:
    """Every way to name a workflow: its id, or the issue above its steps."""
    return [*(side.id("f", n) for n in (0, 1)), *_tasks(side)]


def _run_agents(side: Side) -> list[str]:
    return [f"{side.word}-run-1", f"{side.word}-agent"]


def _topics(side: Side) -> list[str]:
    return [
        side.name(1),
        f"task:{side.name(2)}",
        f"task:{side.id('t', 1)}",
        side.name(50),
        f"context:{side.id('c', 2)}",
        f"agent:{side.word}-agent",
    ]


def _cursors(side: Side) -> list[str]:
    """The place of a row there, in the form of each list."""
    places = [
        side.id("t", 1),
        side.id("m", 2),
        side.id("c", 2),
        f"1800000000000000 {side.id('t', 1)}",
        f"1 0 1800000000000000 {side.id('t', 1)}",
        f"{side.installation_id} {side.number(1)}",
        # Just before the first event there.
        f"{side.installation_id} {side.digits * 1000}",
        # Just before the last events within reach.
        f"{side.installation_id} 61161899",
        str(side.number(1)),
        f"{side.word}-agent",
    ]
    return [pagination.encode(each) for each in places]


# By an argument's name, or `operation.argument`: what it can name of a side.
FOREIGN: dict[str, Values] = {
    "agent_id": _agents,
    "assignee": lambda s: [s.login],
    "assignees": lambda s: [s.login],
    "author": lambda s: [s.login, f"{s.word}-agent"],
    "base": lambda s: [s.branch, s.older_sha],
    "blocked_by": _tasks,
    "body": _words,
    "branch": lambda s: [s.branch],
    "capabilities": lambda s: [f"{s.word}-capability"],
    "capability": lambda s: [f"{s.word}-capability"],
    "checkpoint": lambda s: [{"see": s.name(1)}],
    "comment_id": lambda s: [s.row_id(101), s.row_id(52)],
    "content": lambda s: [{"see": s.name(1)}],
    "context_id": lambda s: [s.id("c", n) for n in (1, 2, 3)],
    "context_ids": lambda s: [s.id("c", n) for n in (1, 2, 3)],
    "cursor": _cursors,
    "attachment_id": lambda s: [s.id("f", 5)],
    "attachments": lambda s: [[s.id("f", 5)]],
    "attach_file.text": lambda _: ["Plain words"],
    "attach_file.name": lambda s: [s.word],
    "base64": lambda _: ["AAEC"],
    "sha256": lambda _: ["0" * 64],
    "delivery_id": lambda s: [s.id("d", 1)],
    "url": lambda s: [f"https://{s.word}.example.com/in"],
    "secret": lambda s: [s.word],
    "manage_agent_endpoint.protocol": lambda s: [f"plugin/{s.word}__{s.word}"],
    "manage_agent_endpoint.options": lambda s: [{"repositories": [s.full_name]}],
    "delete": lambda s: [s.path],
    "github_commit_files.content": _words,
    "head": lambda s: [s.branch, s.sha],
    "holder": lambda s: [f"{s.word}-agent", f"@{s.login}"],
    "inputs": lambda s: [{s.word: s.name(1)}],
    "issue": _tasks,
    "key": lambda s: [s.text("key")],
    "label": lambda s: [s.text("label")],
    "labels": lambda s: [s.text("label")],
    "message": _words,
    "message_id": lambda s: [s.id("m", 2)],
    "model": lambda s: [s.word],
    "mount": lambda s: [s.word],
    "tracker": lambda s: [s.word],
    "manage_tracker.project": lambda s: [s.word],
    "auth_name": lambda s: [s.word],
    "token_url": lambda s: [f"https://{s.word}.example.com/token"],
    "scope": lambda s: [s.word],
    "document": _words,
    "manage_mount.options": lambda s: [{"see": s.full_name}],
    "milestone": lambda s: [s.text("title").replace(" ", "-")],
    "name": _words,
    "note": _words,
    "owner": _agents,
    "parent": _tasks,
    "parent_id": _agents,
    "path": lambda s: [s.path, s.word],
    "paths": lambda s: [s.path, s.word],
    "panel": lambda s: [s.word],
    "plugin": lambda s: [s.word],
    "settings": lambda s: [{s.word: s.name(1)}],
    "prompt": _words,
    "prefix": lambda s: [s.word],
    "project": lambda s: [s.number(4)],
    "pull_request": _threads,
    "query": lambda s: [s.word, s.full_name, s.text("body")],
    "search_plugins.words": lambda s: [s.word, s.full_name, s.text("body")],
    "question": _words,
    "ref": lambda s: [s.branch, s.sha, f"{s.word}-tag"],
    "reply_to": lambda s: [s.id("m", 2)],
    "repositories": lambda s: [s.full_name],
    "repository": lambda s: [s.full_name, s.full_name.upper()],
    "resolve": lambda s: [s.row_id(52)],
    "result": _words,
    "reviewers": lambda s: [s.login, f"{s.word}-agent"],
    "run_id": lambda s: [s.row_id(54)],
    "sha": lambda s: [s.sha],
    "snapshot_id": lambda s: [s.id("s", n) for n in (0, 1)],
    "status": lambda s: [s.text("status")],
    "summary": _words,
    "system": lambda s: [s.text("system_name").replace(" ", "-")],
    "task": _tasks,
    "template": lambda s: [s.word],
    "thread_id": lambda s: [s.id("m", 2)],
    "title": _title,
    "tool": lambda s: [f"{s.word}-tools__{s.word}_tool", f"{s.word}-tools__plain"],
    "server": lambda s: [f"{s.word}-tools"],
    "arguments": lambda s: [{s.word: s.name(1)}],
    "hash": lambda s: [s.sha],
    "fallback": lambda s: [f"{s.word}-tools"],
    "price": lambda _: ["1"],
    "cost_a_day": lambda _: ["1"],
    "to": _agents,
    "topics": _topics,
    "type": lambda s: [s.text("type")],
    "unblocked_by": _tasks,
    "commit": lambda s: [s.sha, s.older_sha],
    "steps": lambda s: [{"id": "one", "title": s.word, "body": s.name(1)}],
    "edits": lambda s: [{"do": "set_top", "key": s.word, "value": s.name(1)}],
    "get_workflow_file.name": lambda s: [s.word],
    "save_workflow.name": lambda s: [s.word],
    "save_workflow.base": lambda s: [s.sha],
    "text": lambda s: [f"description: {s.word}", s.name(1)],
    "workflow": lambda s: [f"{s.word}.yml"],
    "consultation": lambda s: [s.id("m", 2)],
    "accept": _agents,
    "agents": _agents,
    "options": lambda s: [[s.text("option"), "plain"]],
    "outputs": lambda s: [{s.word: s.name(1)}],
    "write_id": lambda s: [s.id("w", n) for n in range(12)],
    "guid": lambda s: [s.word, f"{s.word}-guid"],
    "target": lambda s: [s.word, s.id("n", 1)],
    "actor": lambda s: [s.login, f"{s.word}-agent"],
    "get_agent_result.run_id": _runs,
    "get_agent_status.run_id": _runs,
    "terminate_agent.run_id": _runs,
    "get_agent_result.agent_id": _run_agents,
    "get_agent_status.agent_id": _run_agents,
    "terminate_agent.agent_id": _run_agents,
    "get_workflow.workflow": _workflows,
    "cancel_workflow.workflow": _workflows,
    "retry_workflow.workflow": _workflows,
    "retry_workflow.step": lambda s: [s.word],
    "gather_results.tasks": _tasks,
    "gather_results.agents": _run_agents,
    "gather_results.runs": _runs,
    "github_commit_files.head": lambda s: [s.sha],
    "github_commit_files.path": lambda s: [s.path],
    "github_review_pr.reply_to": lambda s: [s.row_id(52)],
    "github_review_pr.path": lambda s: [s.path],
    "list_agents.parent": _agents,
    "create_tasks.id": lambda s: [s.word],
    "share_context.to": lambda s: [
        f"task:{s.name(2)}",
        f"task:{s.id('t', 2)}",
        f"{s.word}-agent",
    ],
    "send_message.to": lambda s: [f"{s.word}-agent", f"capability:{s.word}-capability"],
}
# What counts or measures, and names nothing.
NUMBERS = frozenset(
    [
        "quorum",
        "expected_version",
        "expires_s",
        "cached_tokens",
        "currency",
        "cost",
        "children",
        "minutes",
        "tokens",
        "at_least",
        "input_tokens",
        "output_tokens",
        "fence",
        "lease_s",
        "limit",
        "line",
        "max_tokens",
        "part",
        "progress",
        "start_line",
        "ttl_s",
        "offset",
        "size",
        "version",
        "wait_s",
        "latency_ms",
        "list_writes.state",
        "get_outbox.state",
        "list_audit.action",
        "since",
        "days",
        "until",
        "range",
        "calls_a_minute",
        "calls_a_day",
        "timeout_s",
        "cache_s",
        "max_bytes",
        "retries",
        "error_rate",
        "cpu_percent",
        "memory_mb",
    ]
)


def _home(side: Side) -> dict[str, Any]:
    """By name, arguments that are right in the repository within reach."""
    return {
        "agent_id": ME,
        "attachment_id": side.id("f", 6),
        "branch": side.branch,
        "body": "Plain words",
        "conclusion": "success",
        "content": "Plain words",
        "context_id": side.id("c", 1),
        "expected_version": 1,
        "fence": 2,
        "files": [{"path": "plain.py", "content": "plain"}],
        "guid": side.id("d", 0),
        "head": side.branch,
        "issue": side.name(2),
        "message": "Plain words",
        "input_tokens": 5,
        "model": "plain",
        "message_id": f"m_plain{99999 - side.digits}{1:09}",
        "mount": "plain",
        "tracker": "plain",
        "project": "plain/plain",
        "name": "plain",
        "paths": [side.path],
        "plugin": "plain",
        "pull_request": side.name(50),
        "prompt": "Plain words",
        "query": side.word,
        "repository": side.full_name,
        "run_id": side.row_id(54),
        "sha": side.sha,
        "status": "in_progress",
        "steps": [{"id": "one", "title": "A plain step", "body": "Plain words"}],
        "target": side.id("n", 0),
        "task": side.name(2),
        "template": "plain",
        "text": "steps: [{id: plain, title: Plain words, body: Plain words}]",
        "tasks": [{"id": "one", "title": "A new plain title"}],
        "title": "A new plain title",
        "to": OTHER,
        "tool": f"{side.word}-tools__{side.word}_tool",
        "topics": ["tasks"],
        "workflow": "plain.yml",
        "write_id": side.id("w", 0),
    }


# Arguments that an operation needs to do something, beside those without a default.
MORE: dict[str, tuple[str, ...]] = {
    "cancel_write": ("write_id",),
    "github_commit_files": ("repository", "files"),
    "github_create_pr": ("repository",),
    "github_get_diff": ("task",),
    "github_list_files": ("repository",),
    "github_read_files": ("repository",),
    "github_report_check": ("conclusion",),
    "github_update_issue": ("body",),
    "github_update_pr": ("body",),
    "github_review_pr": ("body",),
    "github_comment_issue": ("body",),
    "propose_plan": ("fence",),
    "release_task": ("fence",),
    "report_usage": ("input_tokens",),
    "snapshot_contexts": ("context_ids",),
    "spawn_agent": ("repository", "prompt"),
    "update_task_status": ("fence",),
}
# Where the usual arguments are wrong.
OWN: dict[str, Callable[[Side], dict[str, Any]]] = {
    "assign_task": lambda s: {"task": s.name(1), "agent_id": OTHER},
    "attach_file": lambda _: {"name": "plain.txt", "text": "Plain words"},
    "gather_results": lambda s: {"tasks": [s.name(2)]},
    "get_workflow": lambda s: {"workflow": s.id("f", 0)},
    "cancel_workflow": lambda s: {"workflow": s.id("f", 0)},
    "retry_workflow": lambda s: {"workflow": s.id("f", 1), "step": "one"},
    "start_workflow": lambda s: {"name": "plain", "repository": s.full_name},
    "get_agent_result": lambda s: {"run_id": s.id("r", 1)},
    "get_agent_status": lambda s: {"run_id": s.id("r", 1)},
    "github_get_diff": lambda s: {"task": s.name(7)},
    "github_move_card": lambda s: {"issue": s.name(1), "project": 1, "status": "Done"},
    "report_usage": lambda s: {"task": s.name(2)},
    "consult_agents": lambda _: {"question": "Plain words", "agents": [OTHER]},
    "restore_context": lambda s: {"context_id": s.id("c", 1), "version": 1},
    "terminate_agent": lambda s: {"run_id": s.id("r", 2)},
}
# Arguments that go together with another, and those that exclude one.
WITH: dict[str, dict[str, Any]] = {
    "get_context.snapshot_id": {},
    "update_agent.task": {"checkpoint": "plain"},
    "github_comment_issue.comment_id": {"action": "edit"},
    "github_commit_files.task": {"fence": 2},
    "github_create_pr.task": {"fence": 2},
    "list_tasks.cursor": {"state": "any"},
    "wait_for_events.cursor": {"topics": ["tasks", "messages", "contexts", "agents"]},
}
WITHOUT: dict[str, tuple[str, ...]] = {
    "cancel_write.agent_id": ("write_id",),
    "cancel_write.task": ("write_id",),
    "cancel_write.all": ("write_id",),
    "github_commit_files.task": ("repository",),
    "github_create_pr.task": ("repository",),
    "github_get_diff.repository": ("task",),
    "github_list_files.task": ("repository",),
    "github_read_files.task": ("repository",),
    "restore_context.snapshot_id": ("context_id", "version"),
    "get_agent_result.agent_id": ("run_id",),
    "get_agent_status.agent_id": ("run_id",),
    "consult_agents.consultation": ("question", "agents"),
    "consult_agents.capability": ("agents",),
    "consult_agents.role": ("agents",),
    "snapshot_contexts.task": ("context_ids",),
    "spawn_agent.task": ("repository",),
    "terminate_agent.agent_id": ("run_id",),
    "start_workflow.task": ("repository",),
}


@dataclass(frozen=True)
class Called:
    """A call. `place`: the argument that names something foreign; empty if none does."""

    operation: str
    place: Place
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.operation}({json.dumps(self.arguments, default=str)})"


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models inside an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for each in get_args(annotation) for found in _models(each)]


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(
        _is_list(each) for each in get_args(annotation) if get_origin(annotation) is not list
    )


def choices(annotation: Any) -> list[Any]:
    """The values of a Literal or a bool inside the annotation."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if annotation is bool:
        return [True, False]
    return [found for each in get_args(annotation) for found in choices(each)]


def _leaves(model: type[BaseModel], before: Place = ()) -> Iterator[tuple[Place, Any]]:
    """The places of all arguments that are no models, with their annotations."""
    for name, info in model.model_fields.items():
        inner = _models(info.annotation)
        if not inner:
            yield (*before, name), info.annotation
        for each in inner:
            deeper = (*before, name, 0) if _is_list(info.annotation) else (*before, name)
            yield from _leaves(each, deeper)


def unclassified() -> list[str]:
    """Arguments of which nobody has said what they can name."""
    return [
        f"{operation.name}.{'.'.join(map(str, place))}"
        for operation in OPERATIONS.values()
        for place, annotation in _leaves(operation.arguments)
        if values_of(operation, place) is None
        and not {place[-1], f"{operation.name}.{place[-1]}"} & NUMBERS
        and not choices(annotation)
    ]


def values_of(operation: Operation, place: Place) -> Values | None:
    name = str(place[-1])
    return FOREIGN.get(f"{operation.name}.{name}") or FOREIGN.get(name)


def base(operation: Operation, home: Side) -> dict[str, Any]:
    """Arguments with which the operation does something in the repository within reach."""
    usual = _home(home)
    wanted = [
        name
        for name, info in operation.arguments.model_fields.items()
        if info.is_required() or name in MORE.get(operation.name, ())
    ]
    given = {name: usual[name] for name in wanted if name in usual}
    for name in wanted:
        if name in given and (values := choices(operation.arguments.model_fields[name].annotation)):
            given[name] = usual[name] if usual[name] in values else values[0]
        elif name == "context_ids":
            given[name] = [home.id("c", 1)]
        elif name not in given:
            given[name] = choices(operation.arguments.model_fields[name].annotation)[0]
    own = OWN.get(operation.name)
    return given | own(home) if own else given


class InWorkspace(Side):
    """The repository and the first issue of `tests.support.story`. All else does not exist."""

    @property
    def full_name(self) -> str:
        return "acme/rocket"

    def number(self, k: int) -> int:  # noqa: ARG002 - every name is that of the first issue
        return 1


# By operation, arguments that it accepts. Those about an agent are about ME, or OTHER.
IN_WORKSPACE = {
    each.name: base(each, InWorkspace("plain", 12345, 1)) for each in OPERATIONS.values()
}


def plain(operation: Operation, home: Side) -> Iterator[Called]:
    """Calls that name nothing foreign, with each choice of each argument."""
    start = base(operation, home)
    yield Called(operation.name, (), start)
    for name, info in operation.arguments.model_fields.items():
        for each in [] if _models(info.annotation) else choices(info.annotation):
            yield Called(operation.name, (), _with(operation, start, (name,), each))


def foreign(operation: Operation, home: Side, side: Side) -> Iterator[Called]:
    """Calls with each foreign value at each place."""
    start = base(operation, home)
    for place, annotation in _leaves(operation.arguments):
        values = values_of(operation, place)
        if values is None or (choices(annotation) and place[-1] != "owner"):
            continue
        for each in values(side):
            is_one = not isinstance(each, list) and place[-1] != "message_id"
            value = [each] if _is_list(annotation) and is_one else each
            yield Called(operation.name, place, _with(operation, start, place, value))


def _with(
    operation: Operation, start: Mapping[str, Any], place: Place, value: Any
) -> dict[str, Any]:
    """The arguments with a value at a place, and with what must go with it."""
    named = f"{operation.name}.{place[0]}"
    given = {k: v for k, v in start.items() if k not in WITHOUT.get(named, ())}
    given |= WITH.get(named, {})
    at: Any = given
    for n, each in enumerate(place[:-1]):
        is_list = isinstance(place[n + 1], int)
        if isinstance(each, str):
            at[each] = json.loads(json.dumps(at.get(each) or ([{}] if is_list else {})))
            if is_list and not at[each][0]:
                at[each][0] = _member(str(each))
        at = at[each]
    at[place[-1]] = value
    return given


def _member(name: str) -> dict[str, Any]:
    """A member of a list of models."""
    return {"comments": {"path": "shared/a.py", "line": 1, "body": "Plain words"}}.get(name, {})


def strings(given: Any) -> Iterator[str]:
    """Every text that a caller passes, and the parts of it that errors name."""
    if isinstance(given, Mapping):
        for key, value in given.items():
            yield key
            yield from strings(value)
    elif isinstance(given, list):
        for each in given:
            yield from strings(each)
    elif isinstance(given, str):
        yield given
        with suppress(Refused):
            yield pagination.decode(given)
        if "github.com/" in given:
            given = re.sub(r".*github\.com/(.*)/issues/", r"\1#", given)
        # Errors name the parts: the task of a topic, the repository of a task.
        for each in (given, given.partition(":")[2]):
            yield from filter(None, (each, each.rpartition("#")[0]))
    elif isinstance(given, int) and not isinstance(given, bool):
        yield str(given)


def sample(home: Side, side: Side) -> Iterator[Called]:
    """The first foreign value at each place of each operation, but nothing that ends the agent."""
    seen: set[tuple[str, Place]] = set()
    for operation in OPERATIONS.values():
        for called in foreign(operation, home, side):
            place = (called.operation, called.place)
            if place not in seen and called.operation not in ("manage_agent", "register_agent"):
                seen.add(place)
                yield called
