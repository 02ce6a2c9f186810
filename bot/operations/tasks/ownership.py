"""Whose work an issue, a pull request or a branch is.

While an agent holds a task, no other agent changes these, so that a confused one does no harm. A
tech-lead and people may, and everybody may comment and review.
"""

from typing import Any

from bot.errors import Refused
from bot.identity import permissions
from bot.identity.actors import is_hosted
from bot.kernel.operation import Context
from bot.operations.tasks import holds
from bot.operations.tasks.access import is_holder
from bot.tasks import lookup
from store.tables.mirror import PullRequestRow, RepositoryRow
from store.tasks import leases, task_branches, tasks
from store.tasks.tasks import FullTask


async def task_of_branch(ctx: Context, where: RepositoryRow, branch: str) -> FullTask | None:
    """The open task of a branch, if the actor holds it. Raise Refused if it is another's.

    If nobody holds it, the actor must claim it first.
    """
    found = await task_branches.open_tasks(ctx.tx, ctx.installation_id, where["id"], branch)
    if mine := _first_held(ctx, found):
        return mine
    if found and not _may_change_others(ctx, found[0]):
        holds.check_write(ctx, found[0])
        raise _branch_error(ctx, found[0], branch)
    return None


async def task_of_pull(ctx: Context, where: RepositoryRow, pull: PullRequestRow) -> FullTask | None:
    """The task of a pull request, if the actor holds it. Raise Refused if another agent does."""
    here = (ctx.tx, ctx.installation_id, where["id"])
    found = await tasks.of_pull(*here, pull["number"])
    if not found and pull["state"] == "open":
        found = await task_branches.open_tasks(*here, pull["head_ref"])
    if mine := _first_held(ctx, found):
        return mine
    for each in found:
        check_not_held(ctx, each, f"#{pull['number']} is its pull request. ")
    return None


def check_not_held(ctx: Context, task: FullTask, what: str = "") -> None:
    """Raise Refused if somebody has the task and it is not the actor's, unless the actor leads."""
    holder = task["holder"]
    if holder is None or is_holder(ctx, task) or _may_change_others(ctx, task):
        return
    holds.check_write(ctx, task)  # the first thing to know
    if holder == ctx.actor.name:
        why = f"Your lease on {lookup.name(task)} has expired. {what}Call claim_task again."
    else:
        why = (
            f"{holder} holds {lookup.name(task)}. {what}Only its holder or a tech-lead may change "
            f"it. You may comment with github_comment_issue{_or_write_to(holder)}."
        )
    raise Refused("not_holder", f"{why} Nothing was changed.", holder=holder, **_missing(ctx))


def _branch_error(ctx: Context, task: FullTask, branch: str) -> Refused:
    holder = _holder(ctx, task)
    if holder is None:
        now = "nobody holds it. Call claim_task first, or choose another branch"
    else:
        now = f"{holder} holds it. Choose another branch"
    return Refused(
        "not_holder",
        f"{branch} is the branch of {lookup.name(task)}, and {now}. Nothing was changed.",
        holder=holder,
        **(_missing(ctx) if holder else {}),
    )


def _or_write_to(holder: str) -> str:
    return (
        ""
        if holder.startswith("@") or is_hosted(holder)
        else f", or write to {holder} with send_message"
    )


def _first_held(ctx: Context, found: list[FullTask]) -> FullTask | None:
    return next((each for each in found if is_holder(ctx, each)), None)


def _holder(ctx: Context, task: FullTask) -> str | None:
    return None if leases.is_expired(task, ctx.now) else task["holder"]


def _may_change_others(ctx: Context, task: FullTask) -> bool:
    """Whether the actor may change what belongs to a task that it does not hold."""
    action, where = f"{ctx.operation}.held", task["repository_id"]
    return permissions.allows(ctx.actor, action, repository_id=where)


def _missing(ctx: Context) -> dict[str, Any]:
    return permissions.missing(ctx.actor, f"{ctx.operation}.held")
