"""Issues as agents write them."""

import json
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from bot.errors import Refused
from bot.operation import Context, RepositoryName, TaskRef, operation
from bot.operations.tasks import Fence, covered
from bot.operations.writing import (
    Body,
    Queued,
    Title,
    Write,
    Writes,
    issue_of,
    on_issue,
    queue,
    thread,
    write,
)
from store import mirror, names, relations
from store.transaction import Row

Labels: TypeAlias = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=50)]], Field(max_length=50)
]
Logins: TypeAlias = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=10)
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
    where = await covered(ctx, repository)
    arguments: dict[str, Any] = {"title": title, "body": body, "labels": labels}
    await _known_labels(ctx, where, labels)
    if assignees:
        arguments["assignees"] = assignees
    if milestone:
        arguments["milestone"] = await _milestone(ctx, where, milestone)
    return await write(ctx, "issue", where, f"repository {where['id']}", arguments)


@operation(role="developer", reaches_github=True, idempotent=True)
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
    task, where, number = await thread(ctx, issue, fence)
    row = await mirror.issue(ctx.tx, ctx.installation_id, where["id"], number)
    if row is None:
        raise Refused("unknown_task", f"There is no issue {issue!r}.")
    given = {"title": title, "body": body}
    fields: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    fields |= _state(state) | await _named(ctx, where, labels, milestone, type)
    if labels is not None:
        fields["labels"] = difference(json.loads(row["labels"]), labels)
    if assignees is not None:
        fields["assignees"] = difference(json.loads(row["assignees"]), assignees)
    target = on_issue(where, number)
    queued: list[Queued] = []
    if fields:
        arguments = {"number": number, **fields}
        queued.append(await queue(ctx, "issue_update", where, target, arguments, task))
    if parent is not None:
        queued += await _set_parent(ctx, where, row, parent, task)
    if blocked_by is not None:
        queued += await _set_blockers(ctx, where, row, blocked_by, task)
    if not queued:
        raise Refused("invalid_arguments", "Nothing is to be changed: give what shall be.")
    return Writes(writes=queued)


def _state(state: str | None) -> dict[str, str]:
    if state is None:
        return {}
    if state == "open":
        return {"state": "open", "state_reason": "reopened"}
    return {"state": "closed", "state_reason": state}


async def _named(
    ctx: Context, where: Row, labels: list[str] | None, milestone: str | None, type_: str | None
) -> dict[str, Any]:
    """What goes by a name that must be known; empty takes it off. Raise Refused."""
    await _known_labels(ctx, where, labels or [])
    fields: dict[str, Any] = {}
    if milestone is not None:
        fields["milestone"] = await _milestone(ctx, where, milestone) if milestone else None
    if type_ is not None:
        fields["type"] = type_ or None
    return fields


def difference(now: list[str], wanted: list[str]) -> dict[str, list[str]]:
    """What to add and remove, so that what others change meanwhile stays. Case is the same."""
    has, shall = {each.casefold() for each in now}, {each.casefold() for each in wanted}
    return {
        "add": [each for each in wanted if each.casefold() not in has],
        "remove": [each for each in now if each.casefold() not in shall],
    }


async def _known_labels(ctx: Context, where: Row, labels: list[str]) -> None:
    """GitHub would make unknown ones: most are mistakes."""
    known = await names.labels(ctx.tx, ctx.installation_id, where["id"])
    unknown = [each for each in labels if each.casefold() not in known]
    if known and unknown:
        raise Refused(
            "invalid_arguments",
            f"{where['full_name']} has no label {unknown[0]!r}. It has: "
            f"{', '.join(sorted(known.values())[:50])}.",
            unknown=unknown,
        )


async def _milestone(ctx: Context, where: Row, title: str) -> int:
    known = await names.milestones(ctx.tx, ctx.installation_id, where["id"])
    if title not in known:
        raise Refused(
            "invalid_arguments",
            f"{where['full_name']} has no open milestone {title!r}. It has: "
            f"{', '.join(sorted(known)[:50]) or 'none'}.",
        )
    return known[title]


async def _set_parent(
    ctx: Context, where: Row, row: Row, parent: str, task: Row | None
) -> list[Queued]:
    """A child is put under its parent from the parent's side."""
    before = await relations.targets(ctx.tx, ctx.installation_id, "parent", row["id"])
    if not parent:
        return [
            await queue(
                ctx,
                "sub_issue_removal",
                {"id": each["repository_id"]},
                on_issue(where, row["number"]),
                {"number": each["number"], "sub_issue_id": row["id"]},
                task,
            )
            for each in before
            if each["mirrored_id"]
        ]
    over = await issue_of(ctx, parent)
    if over["id"] == row["id"]:
        raise Refused("invalid_arguments", "An issue cannot be its own parent.")
    if over["id"] in [each["mirrored_id"] for each in before]:
        return []
    arguments = {"number": over["number"], "sub_issue_id": row["id"], "replace_parent": True}
    target = on_issue(where, row["number"])
    return [await queue(ctx, "sub_issue", {"id": over["repository_id"]}, target, arguments, task)]


async def _set_blockers(
    ctx: Context, where: Row, row: Row, wanted: list[str], task: Row | None
) -> list[Queued]:
    before = await relations.targets(ctx.tx, ctx.installation_id, "blocked_by", row["id"])
    has = {each["mirrored_id"] for each in before if each["mirrored_id"]}
    shall = [(await issue_of(ctx, each))["id"] for each in wanted]
    if row["id"] in shall:
        raise Refused("invalid_arguments", "An issue cannot wait for itself.")
    changes = [("blocked_by", each) for each in dict.fromkeys(shall) if each not in has]
    changes += [("blocked_by_removal", each) for each in sorted(has - set(shall))]
    target = on_issue(where, row["number"])
    return [
        await queue(ctx, kind, where, target, {"number": row["number"], "issue_id": issue_id}, task)
        for kind, issue_id in changes
    ]
