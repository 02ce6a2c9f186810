"""Issues as agents write them."""

import json
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from bot.errors import Refused
from bot.kernel.operation import Context, RepositoryName, TaskRef, operation
from bot.operations.arguments import Body, Fence, Logins, Title
from bot.operations.github.targets import issue_of, on_issue, thread_of
from bot.operations.github.writing import Queued, Write, Writes, queue, write
from bot.operations.tasks.access import is_holder, visible_repository
from bot.repository import repository_settings
from bot.tasks import lifecycle
from bot.tasks.labels import carries, said
from store.engine import ids
from store.engine.transaction import Row
from store.mirror import label_names, mirror_rows, relations
from store.mirror.relations import Neighbour
from store.outbox import writes as outbox
from store.tasks import tasks as stored
from store.tasks.tasks import FullTask

UPDATE = "issue_update"
Labels: TypeAlias = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=50)]], Field(max_length=50)
]
IssueRefs: TypeAlias = Annotated[list[TaskRef], Field(max_length=50)]
Milestone: TypeAlias = Annotated[str, Field(max_length=256, description="its title; empty: none")]
IssueType: TypeAlias = Annotated[str, Field(max_length=100, description="its name; empty: none")]


@operation(role="developer", reaches_github=True)
async def github_create_issue(
    ctx: Context,
    repository: RepositoryName,
    title: Title,
    body: Body = "",
    labels: Labels = [],  # noqa: B006 - pydantic copies it
    assignees: Logins = [],  # noqa: B006
    milestone: Milestone | None = None,
) -> Write:
    """Open an issue. For one that agents shall work on use create_task."""
    where = await visible_repository(ctx, repository)
    arguments: dict[str, Any] = {"title": title, "body": body, "labels": labels}
    await _known_labels(ctx, where, labels)
    if assignees:
        arguments["assignees"] = assignees
    if milestone:
        arguments["milestone"] = await _milestone(ctx, where, milestone)
    # A target of its own: nobody's issue waits for another's.
    target = f"new issue {ids.new('i', ctx.now)}"
    return await write(ctx, "issue", where, target, arguments)


@operation(role="developer", reaches_github=True, idempotent=True, destructive=True)
async def github_update_issue(
    ctx: Context,
    issue: TaskRef,
    title: Title | None = None,
    body: Body | None = None,
    state: Literal["open", "completed", "not_planned"] | None = None,
    labels: Labels | None = None,
    assignees: Logins | None = None,
    milestone: Milestone | None = None,
    type: IssueType | None = None,  # noqa: A002 - GitHub's name for it
    parent: Annotated[str, Field(max_length=300, description="owner/repo#12; empty: none")]
    | None = None,
    blocked_by: IssueRefs | None = None,
    fence: Fence | None = None,
) -> Writes:
    """Change what is given and leave the rest; lists are whole: what they lack is taken off."""
    task, where, number = await thread_of(ctx, issue, fence)
    row = await mirror_rows.issue(ctx.tx, ctx.installation_id, where["id"], number)
    if row is None:
        raise Refused(
            "unknown_task",
            f"There is no issue {issue!r} known here; a pull request is changed by "
            "github_update_pr.",
        )
    await _known_labels(ctx, where, labels or [])
    over = None if parent is None else [parent] if parent else []
    left = await _taken_off(ctx, row, "parent", over)
    freed = [*left, *await _taken_off(ctx, row, "blocked_by", blocked_by)]
    if freed or state is not None or await _says_else(ctx, where, row, labels):
        task = task or await _steered(ctx, row["id"])
    for each in left:  # it does not wait for this one any more
        parents = await _steered(ctx, each["mirrored_id"])
        task = task or parents
    given = {"title": title, "body": body}
    fields: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    fields |= _state(state) | await _named(ctx, where, milestone, type)
    waiting = await outbox.waiting(ctx.tx, ctx.installation_id, on_issue(where, number), UPDATE)
    lists = (("labels", row["labels"], labels), ("assignees", row["assignees"], assignees))
    for name, has, wanted in lists:
        if wanted is not None:
            changes = [each["arguments"].get(name) for each in waiting]
            fields[name] = difference(json.loads(has), wanted, [c for c in changes if c])
    target = on_issue(where, number)
    queued: list[Queued] = []
    if fields:
        arguments = {"number": number, **fields}
        queued.append(await queue(ctx, UPDATE, where, target, arguments, task))
    if parent is not None:
        queued += await _set_parent(ctx, where, row, parent, task)
    if blocked_by is not None:
        queued += await _set_blockers(ctx, where, row, blocked_by, task)
    if not queued:
        raise Refused("invalid_arguments", "Nothing is to be changed: give what shall be.")
    return Writes(writes=queued)


async def _taken_off(
    ctx: Context, row: Row, kind: relations.Kind, wanted: list[str] | None
) -> list[Row]:
    """What is there, within reach, and would not be among the `wanted`."""
    if wanted is None:
        return []
    shall = {each.casefold() for each in wanted}
    there = await relations.targets(ctx.tx, ctx.installation_id, kind, row["id"])
    return [each for each in _reachable(there) if each["name"].casefold() not in shall]


def _reachable(rows: list[Neighbour]) -> list[Row]:
    """Others nobody can name, and nobody means."""
    return [each for each in rows if each["full_name"]]


async def _says_else(ctx: Context, where: Row, row: Row, labels: list[str] | None) -> bool:
    """Whether by these labels the issue would be another task, or none."""
    if labels is None:
        return False
    settings = await repository_settings.of(ctx.tx, ctx.installation_id, where["id"])
    now = json.loads(row["labels"])
    is_task = [carries(each, settings.task_label) for each in (now, labels)]
    return is_task[0] != is_task[1] or said(labels) != said(now)


async def _steered(ctx: Context, issue_id: int | None) -> FullTask | None:
    """The issue's task, if the actor holds it: what steers it is dropped with the lease.

    Raise Refused for whoever neither holds it nor leads.
    """
    task = await stored.of_issue(ctx.tx, ctx.installation_id, issue_id) if issue_id else None
    if task is None or is_holder(ctx, task):
        return task
    if ctx.actor.may("tech-lead"):
        return None
    raise Refused(
        "not_holder",
        f"{lifecycle.name(task)} is a task: its state, what labels say of it, and taking off its "
        "parent, sub-issues or blockers, are for its holder and for a tech-lead. Nothing was "
        "changed.",
        holder=task["holder"],
    )


def _state(state: str | None) -> dict[str, str]:
    if state is None:
        return {}
    if state == "open":
        return {"state": "open", "state_reason": "reopened"}
    return {"state": "closed", "state_reason": state}


async def _named(
    ctx: Context, where: Row, milestone: str | None, type_: str | None
) -> dict[str, Any]:
    """What goes by a name that must be known; empty takes it off. Raise Refused."""
    fields: dict[str, Any] = {}
    if milestone is not None:
        fields["milestone"] = await _milestone(ctx, where, milestone) if milestone else None
    if type_ is not None:
        fields["type"] = type_ or None
    return fields


def difference(
    now: list[str], wanted: list[str], waiting: list[dict[str, list[str]]]
) -> dict[str, list[str]]:
    """What to add and remove, so that what others change meanwhile stays. Case is the same.

    `waiting`: such changes that have not gone out: they may, or may not, before this one.
    """
    may_come = [*now, *(name for each in waiting for name in each["add"])]
    may_go = {name.casefold() for each in waiting for name in each["remove"]}
    has, shall = {each.casefold() for each in now}, {each.casefold() for each in wanted}
    return {
        "add": [each for each in wanted if each.casefold() not in has or each.casefold() in may_go],
        "remove": list(dict.fromkeys(each for each in may_come if each.casefold() not in shall)),
    }


async def _known_labels(ctx: Context, where: Row, labels: list[str]) -> None:
    """GitHub would make unknown ones: most are mistakes."""
    known = await label_names.labels(ctx.tx, ctx.installation_id, where["id"])
    unknown = [each for each in labels if each.casefold() not in known]
    if known and unknown:
        raise Refused(
            "invalid_arguments",
            f"{where['full_name']} has no label {unknown[0]!r}. It has: "
            f"{', '.join(sorted(known.values())[:50])}.",
            unknown=unknown,
        )


async def _milestone(ctx: Context, where: Row, title: str) -> int:
    known = await label_names.milestones(ctx.tx, ctx.installation_id, where["id"])
    if title not in known:
        raise Refused(
            "invalid_arguments",
            f"{where['full_name']} has no open milestone {title!r}. It has: "
            f"{', '.join(sorted(known)[:50]) or 'none'}.",
        )
    return known[title]


async def _set_parent(
    ctx: Context, where: Row, row: Row, parent: str, task: FullTask | None
) -> list[Queued]:
    """A child is put under its parent from the parent's side."""
    here, target = (ctx.tx, ctx.installation_id), on_issue(where, row["number"])
    known = await relations.targets(*here, "parent", row["id"])
    waiting = await outbox.waiting(*here, target, "sub_issue")
    parents = {(each["repository_id"], each["number"]) for each in _reachable(known)}
    parents |= {(each["repository_id"], each["arguments"]["number"]) for each in waiting}
    if not parent:
        return [
            await queue(
                ctx,
                "sub_issue_removal",
                {"id": repository_id},
                target,
                {"number": number, "sub_issue_id": row["id"]},
                task,
            )
            for repository_id, number in sorted(parents)
        ]
    over = await issue_of(ctx, parent)
    if over["id"] == row["id"]:
        raise Refused("invalid_arguments", "An issue cannot be its own parent.")
    arguments = {"number": over["number"], "sub_issue_id": row["id"], "replace_parent": True}
    return [await queue(ctx, "sub_issue", {"id": over["repository_id"]}, target, arguments, task)]


async def _set_blockers(
    ctx: Context, where: Row, row: Row, wanted: list[str], task: FullTask | None
) -> list[Queued]:
    here, target = (ctx.tx, ctx.installation_id), on_issue(where, row["number"])
    before = await relations.targets(*here, "blocked_by", row["id"])
    added = await outbox.waiting(*here, target, "blocked_by")
    removed = await outbox.waiting(*here, target, "blocked_by_removal")
    coming = {each["arguments"]["issue_id"] for each in added}
    going = {each["arguments"]["issue_id"] for each in removed}
    has = {each["mirrored_id"] for each in _reachable(before)}
    shall = [(await issue_of(ctx, each))["id"] for each in wanted]
    if row["id"] in shall:
        raise Refused("invalid_arguments", "An issue cannot wait for itself.")
    changes = [("blocked_by", each) for each in dict.fromkeys(shall) if each not in has - going]
    changes += [("blocked_by_removal", each) for each in sorted((has | coming) - set(shall))]
    return [
        await queue(ctx, kind, where, target, {"number": row["number"], "issue_id": issue_id}, task)
        for kind, issue_id in changes
    ]
