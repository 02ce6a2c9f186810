"""The issue whose sub-issues are the steps: one that is there, or a new one."""

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.mirror import issue_effects
from bot.operations.github.targets import issue_of, on_issue, repository_of
from bot.operations.github.writing import queue
from bot.operations.tasks.access import visible_repository, visible_task
from bot.repository import repository_settings
from bot.tasks import lifecycle, lookup
from bot.tasks.states import OPEN
from store.outbox import issue_changes
from store.tables.mirror import IssueRow, RepositoryRow
from store.tasks import tasks
from store.tasks.tasks import FullTask
from store.workflows import workflows


async def place(
    ctx: Context, repository: str | None, ref: str | None
) -> tuple[RepositoryRow, FullTask | None]:
    """The repository of the new workflow, and the task that is to be its parent. Raise Refused."""
    if ref is None:
        if repository is None:
            raise Refused(
                "invalid_arguments", "Pass `repository`, or `task` to start it for an issue."
            )
        return await visible_repository(ctx, repository), None
    parent = await _parent(ctx, ref)
    where = await repository_of(ctx, parent)
    if repository is not None and repository.casefold() != where["full_name_key"]:
        raise Refused(
            "invalid_arguments",
            f"{lookup.name(parent)} is not in {repository}. Leave `repository` out: steps are "
            "made where the issue is.",
        )
    return where, parent


async def check_free(ctx: Context, parent: FullTask, name: str) -> None:
    """Raise Refused if the issue is closed, or the same workflow runs on it already."""
    if parent["state"] not in OPEN:
        raise Refused(
            "not_startable",
            f"{lookup.name(parent)} is {parent['state']}. Reopen it first, or start the workflow "
            "without `task` to get a new issue.",
        )
    found = await workflows.of_parent(ctx.tx, ctx.installation_id, parent["id"])
    for each in found:
        if each["name"] == name and each["state"] == "running":
            raise Refused(
                "workflow_running",
                f"The workflow {name} runs on {lookup.name(parent)} already: {each['id']}. Wait "
                "until it has ended, or cancel it first.",
                workflow=each["id"],
            )


async def _parent(ctx: Context, ref: str) -> FullTask:
    """The locked task of an issue, which becomes one if it is none. Raise Refused."""
    named = lookup.parse(ref)
    if named is None:
        return await visible_task(ctx, ref, lock=True)
    issue = await issue_of(ctx, ref)
    task = await tasks.of_issue(ctx.tx, ctx.installation_id, issue["id"])
    if task is not None:
        return await visible_task(ctx, task["id"], lock=True)
    return await _adopt(ctx, issue, ref)


async def _adopt(ctx: Context, issue: IssueRow, ref: str) -> FullTask:
    """Make the issue a task, with the label of tasks."""
    if issue["state"] == "closed":
        raise Refused(
            "not_startable",
            f"{ref} is closed. Reopen it first, or start the workflow without `task` to get a "
            "new issue.",
        )
    where = await visible_repository(ctx, ref.rpartition("#")[0])
    task = await issue_effects.make_task(ctx.tx, issue)
    if task is None:
        raise lookup.unknown_task(ref, "agent-task", for_person=ctx.actor.is_person)
    await lifecycle.record(ctx.tx, task, "task.created", ctx.actor.name)
    settings = await repository_settings.of(ctx.tx, ctx.installation_id, where["id"])
    change = {"add": [settings.task_label], "remove": []}
    arguments = {"number": issue["number"], "labels": change}
    await queue(ctx, issue_changes.KIND, where, on_issue(where, issue["number"]), arguments)
    return task
