"""Creating and changing issues."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from bot.errors import Refused
from bot.identity import permissions
from bot.kernel.operation import Context, RepositoryName, TaskRef, operation
from bot.operations.arguments import Body, Fence, Logins, Title
from bot.operations.github.issue_fields import (
    check_assignees,
    check_labels,
    list_change,
    milestone_number,
    state_fields,
)
from bot.operations.github.issue_relations import (
    NamedIssue,
    check_no_planned,
    lost_relations,
    set_blockers,
    set_parent,
)
from bot.operations.github.targets import on_issue, thread_of
from bot.operations.github.writing import Queued, Writes, nothing_to_change, queue, write
from bot.operations.tasks import creators, ownership
from bot.operations.tasks.access import is_holder, visible_repository
from bot.operations.workflows import gate_checks
from bot.repository import repository_settings
from bot.tasks import issue_state, lifecycle, lookup, plan_notices, plans, task_labels
from bot.tasks.states import OPEN
from store.engine import ids, json_text
from store.engine.transaction import Row
from store.mirror import stored_issues
from store.outbox import issue_changes, writes
from store.tables.mirror import IssueRow, RepositoryRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

Labels: TypeAlias = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=50)]],
    Field(max_length=50, description="labels of the repository"),
]
CreateLabels: TypeAlias = Annotated[bool, Field(description="create missing ones")]
IssueRefs: TypeAlias = Annotated[list[TaskRef], Field(max_length=50)]
Milestone: TypeAlias = Annotated[str, Field(max_length=256, description="its title; '' removes it")]
IssueType: TypeAlias = Annotated[str, Field(max_length=100, description="its name; '' removes it")]
EVERY_ARGUMENT = "title, body, state, labels, assignees, milestone, type, parent, blocked_by"


@operation(reaches_github=True)
async def github_create_issue(
    ctx: Context,
    repository: RepositoryName,
    title: Title,
    body: Body = "",
    labels: Labels = [],  # noqa: B006 - pydantic copies it
    assignees: Logins = [],  # noqa: B006
    milestone: Milestone | None = None,
    create_labels: CreateLabels = False,  # noqa: FBT002 - callers name their arguments
) -> Writes:
    """Open an issue. For work by agents, call create_task instead."""
    where = await visible_repository(ctx, repository)
    arguments: dict[str, Any] = {"title": title, "body": body, "labels": labels}
    if not create_labels:
        await check_labels(ctx, where, labels)
    await check_assignees(ctx, assignees)
    if assignees:
        arguments["assignees"] = assignees
    if milestone:
        arguments["milestone"] = await milestone_number(ctx, where, milestone)
    # The target is unique, so that no issue waits for another one to be created.
    target = f"new issue {ids.new('i', ctx.now)}"
    return await write(ctx, "issue", where, target, arguments)


@operation(reaches_github=True, idempotent=True, destructive=True)
async def github_update_issue(
    ctx: Context,
    issue: TaskRef,
    title: Title | None = None,
    body: Body | None = None,
    state: Annotated[
        Literal["open", "completed", "not_planned"] | None,
        Field(description="open, or closed for this reason"),
    ] = None,
    labels: Labels | None = None,
    assignees: Logins | None = None,
    milestone: Milestone | None = None,
    type: IssueType | None = None,  # noqa: A002 - GitHub's name for it
    parent: Annotated[str, Field(max_length=300, description="owner/repo#12; '' removes it")]
    | None = None,
    blocked_by: Annotated[
        IssueRefs | None, Field(description="issues that must close first")
    ] = None,
    fence: Fence | None = None,
    create_labels: CreateLabels = False,  # noqa: FBT002
) -> Writes:
    """Change the fields that you pass. A list replaces the whole list."""
    held, where, number = await thread_of(ctx, issue, fence)
    row = await _issue_row(ctx, where, number, issue)
    await _check_names(ctx, where, row, labels if not create_labels else None, assignees)
    if parent is not None or blocked_by is not None:
        await _check_no_planned(ctx, row)
    lost_parents = await lost_relations(ctx, row, "parent", _parents(parent))
    lost_blockers = await lost_relations(ctx, row, "blocked_by", blocked_by)
    decides = await _decides(
        ctx, where, row, state, labels, loses=bool(lost_parents or lost_blockers)
    )
    if decides or state is not None:
        await gate_checks.check_state_of_issue(ctx, row["id"], state)
    await _check_still_waits(ctx, row, lost_blockers, blocked_by)
    task = held or await _check_may_change(ctx, row["id"], decides=decides)
    for each in lost_parents:  # a parent's task no longer waits for this issue
        parents_task = await _check_may_change(ctx, each["mirrored_id"], decides=True)
        task = task or parents_task
    texts: dict[str, Any] = {"title": title, "body": body}
    fields = {name: text for name, text in texts.items() if text is not None}
    fields |= state_fields(state) | await _clearable_fields(ctx, where, milestone, type)
    fields |= await _list_changes(ctx, where, row, labels=labels, assignees=assignees)
    queued: list[Queued] = []
    if state is not None:
        await _decide(ctx, row, state)
    if fields:
        arguments = {"number": number, **fields}
        queued.append(
            await queue(ctx, issue_changes.KIND, where, on_issue(where, number), arguments, task)
        )
    if parent is not None or blocked_by is not None:
        here = (ctx.tx, ctx.installation_id)
        await plan_notices.tell_of_graph(*here, row["id"], ctx.actor.name)
    if parent is not None:
        queued += await set_parent(ctx, where, row, parent, task)
    if blocked_by is not None:
        queued += await set_blockers(ctx, where, row, blocked_by, task)
    if not queued:
        raise nothing_to_change(EVERY_ARGUMENT)
    return Writes(writes=queued, hint=plans.PARENT_WAITS if parent else None)


async def _check_still_waits(
    ctx: Context, row: IssueRow, lost: list[NamedIssue], wanted: list[str] | None
) -> None:
    """Raise Refused if an agent takes a gate out of the way, or puts one into a circle."""
    for each in lost:
        await gate_checks.check_waits(ctx, each["mirrored_id"])
    if wanted is not None:
        await gate_checks.check_circle(ctx, row["id"])


async def _check_no_planned(ctx: Context, row: IssueRow) -> None:
    """Raise Refused while relations of the issue's task are still being made."""
    await check_no_planned(ctx, await tasks.of_issue(ctx.tx, ctx.installation_id, row["id"]))


async def _check_names(
    ctx: Context,
    where: RepositoryRow,
    row: IssueRow,
    labels: list[str] | None,
    assignees: list[str] | None,
) -> None:
    """Raise Refused for labels that the repository lacks, and for new assignees that are agents."""
    await check_labels(ctx, where, labels or [])
    there = json_text.value(row["assignees"])
    await check_assignees(ctx, [each for each in assignees or [] if each not in there])


async def _issue_row(ctx: Context, where: RepositoryRow, number: int, ref: str) -> IssueRow:
    row = await stored_issues.issue(ctx.tx, ctx.installation_id, where["id"], number)
    if row is None:
        raise Refused(
            "unknown_task",
            f"Hubbub knows no issue {ref!r}. For a pull request call github_update_pr.",
        )
    return row


def _parents(parent: str | None) -> list[str] | None:
    """The wanted parents as a list: an issue has at most one, and '' stands for none."""
    if parent is None:
        return None
    return [parent] if parent else []


async def _changes_the_task(
    ctx: Context, where: RepositoryRow, row: IssueRow, wanted: list[str] | None
) -> bool:
    """Whether the labels make the issue a task, end its task, or change the task's fields."""
    if wanted is None:
        return False
    settings = await repository_settings.of(ctx.tx, ctx.installation_id, where["id"])
    now = json_text.value(row["labels"])
    was_task, is_task = (task_labels.has_label(each, settings.task_label) for each in (now, wanted))
    return was_task != is_task or task_labels.task_fields(wanted) != task_labels.task_fields(now)


async def _decides(
    ctx: Context,
    where: RepositoryRow,
    issue: IssueRow,
    state: str | None,
    labels: list[str] | None,
    *,
    loses: bool,
) -> bool:
    """Whether the change is for the task's holder or a tech-lead. `loses`: relations of the issue.

    Who created the task may cancel it, until somebody claims it.
    """
    if loses or await _changes_the_task(ctx, where, issue, labels):
        return True
    if state == "not_planned":
        return not await creators.may_cancel(ctx, issue["id"])
    return state is not None


async def _check_may_change(
    ctx: Context, issue_id: int | None, *, decides: bool
) -> FullTask | None:
    """The issue's task if the actor holds it. Raise Refused if the actor may not change it.

    Nobody else changes the issue of a task that is held. If nobody holds it, `decides` still needs
    a holder or a tech-lead.
    """
    task = await tasks.of_issue(ctx.tx, ctx.installation_id, issue_id) if issue_id else None
    if task is None or is_holder(ctx, task):
        return task
    ownership.check_not_held(ctx, task)
    action = "github_update_issue.decide"
    where = task["repository_id"]
    if not decides or permissions.allows(ctx.actor, action, repository_id=where):
        return None
    raise Refused(
        "not_holder",
        f"{lookup.name(task)} is a task. Only its holder or a tech-lead may change its state "
        "or its task labels, or remove its parent, sub-issues or blockers. Nothing was changed.",
        holder=task["holder"],
        **permissions.missing(ctx.actor, action),
    )


async def _decide(ctx: Context, issue: IssueRow, state: str) -> None:
    """Move the issue's task at once: the webhook of the change may come after a later decision."""
    here = (ctx.tx, ctx.installation_id)
    await issue_state.withdraw_queued(*here, issue["repository_id"], issue["number"])
    task = await tasks.of_issue(*here, issue["id"])
    task = task and await tasks.lock(ctx.tx, ctx.installation_id, task["id"])
    if task is None:
        return
    if (task["state"] in OPEN) != (state == "open"):
        to = issue_state.STATES[state]
        await lifecycle.move(ctx.tx, task, to, ctx.actor.name, at=ctx.decided_at)
    when = "retried_at" if state == "open" else "ended_at"
    await tasks.change(ctx.tx, ctx.installation_id, task["id"], **{when: ctx.decided_at})


async def _clearable_fields(
    ctx: Context, where: RepositoryRow, milestone: str | None, type_: str | None
) -> dict[str, Any]:
    """The fields that '' removes. Raise Refused for an unknown milestone."""
    fields: dict[str, Any] = {}
    if milestone is not None:
        fields["milestone"] = await milestone_number(ctx, where, milestone) if milestone else None
    if type_ is not None:
        fields["type"] = type_ or None
    return fields


async def _list_changes(
    ctx: Context, where: RepositoryRow, row: Row, **lists: list[str] | None
) -> dict[str, Any]:
    """What to add to and remove from each list, by the list's name."""
    target = on_issue(where, row["number"])
    waiting = await writes.waiting(ctx.tx, ctx.installation_id, target, issue_changes.KIND)
    changes: dict[str, Any] = {}
    for name, wanted in lists.items():
        if wanted is not None:
            queued = [each["arguments"][name] for each in waiting if each["arguments"].get(name)]
            changes[name] = list_change(json_text.value(row[name]), wanted, queued)
    return changes
