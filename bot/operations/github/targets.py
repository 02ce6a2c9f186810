"""Which repository, issue, pull request or branch an argument names."""

from typing import TypedDict

from bot.errors import Refused
from bot.kernel import remedies
from bot.kernel.operation import Context
from bot.operations.tasks.access import held_task, visible_repository, visible_task
from bot.tasks import lookup
from store.mirror import branches, pulls, stored_issues, stored_repositories
from store.outbox import writes
from store.tables.mirror import IssueRow, PullRequestRow, RepositoryRow
from store.tasks.tasks import FullTask


class Place(TypedDict):
    """A repository, of which only the id matters."""

    id: int


def on_issue(where: Place, number: int) -> str:
    """The target of writes on an issue or pull request."""
    return writes.on_issue(where["id"], number)


def on_branch(where: Place, branch: str) -> str:
    return writes.on_branch(where["id"], branch)


async def check_branch_fits(ctx: Context, where: Place, branch: str) -> None:
    """Git keeps a branch in a file of its name. Raise Refused if a folder would be in its place."""
    other = await branches.in_the_way(ctx.tx, ctx.installation_id, where["id"], branch)
    if other is not None:
        raise Refused(
            "invalid_arguments",
            f"The branch `{other}` is in the way of `{branch}`: git cannot have both. Choose "
            "another name.",
        )


async def repository_of(ctx: Context, task: FullTask) -> RepositoryRow:
    where = await stored_repositories.repository_by_id(
        ctx.tx, ctx.installation_id, task["repository_id"]
    )
    if where is None:
        raise Refused(
            "unknown_repository", "The App no longer has access to the task's repository."
        )
    return where


async def work_place(
    ctx: Context, task: str | None, fence: int | None, repository: str | None
) -> tuple[FullTask | None, RepositoryRow]:
    """The named task, which the actor holds, and its repository; or the named repository."""
    if task:
        row = await held_task(ctx, task, fence)
        return row, await repository_of(ctx, row)
    if repository is None:
        raise Refused("invalid_arguments", "Pass `task` with its `fence`, or `repository`.")
    return None, await visible_repository(ctx, repository)


async def thread_of(
    ctx: Context, ref: str, fence: int | None, *, even_on_hold: bool = False
) -> tuple[FullTask | None, RepositoryRow, int]:
    """The task if there is a fence, the repository, and the number. Raise Refused.

    The number is that of the pull request if `ref` names one, not that of its task.
    """
    task = None
    if fence is not None:
        task = await held_task(ctx, ref, fence, even_on_hold=even_on_hold)
    if "#" not in ref:
        named = task or await visible_task(ctx, ref)
        if named["number"] is None:
            raise Refused(
                "no_issue_yet",
                f"GitHub has not numbered {ref} yet. Wait until its issue is written.",
            )
        return task, await repository_of(ctx, named), named["number"]
    where, number = await place_of(ctx, ref)
    if not await stored_issues.has_thread(ctx.tx, ctx.installation_id, where["id"], number):
        raise Refused(
            "unknown_task", f"Hubbub knows no issue or pull request {ref!r}. Pass owner/repo#12."
        )
    return task, where, number


async def place_of(ctx: Context, ref: str) -> tuple[RepositoryRow, int]:
    """The repository and the number in `owner/repo#12`. Raise Refused."""
    full_name, number = lookup.parse(ref) or (ref.rpartition("#")[0], 0)
    return await visible_repository(ctx, full_name), number


async def issue_of(ctx: Context, ref: str) -> IssueRow:
    """A mirrored issue. Raise Refused."""
    where, number = await place_of(ctx, ref)
    row = await stored_issues.issue(ctx.tx, ctx.installation_id, where["id"], number)
    if row is None or row["is_pull_request"]:
        why = (
            "It is a pull request; name an issue."
            if row
            else "Check the number, and that the App is installed on its repository."
        )
        raise Refused("unknown_task", f"Hubbub knows no issue {ref!r}. {why}")
    return row


async def pull_of(ctx: Context, ref: str) -> tuple[RepositoryRow, PullRequestRow]:
    """A mirrored pull request and its repository. Raise Refused."""
    where, number = await place_of(ctx, ref)
    row = await pulls.pull_request(ctx.tx, ctx.installation_id, where["id"], number)
    if row is None:
        issue = await stored_issues.issue(ctx.tx, ctx.installation_id, where["id"], number)
        comment = " github_comment_issue comments on it."
        change = " github_comment_issue comments on it, github_update_issue changes it."
        calls = remedies.by(ctx.actor, person="", developer=change, agent=comment)
        hint = f" It is an issue.{calls}" if issue else ""
        raise Refused("unknown_task", f"Hubbub knows no pull request {ref!r}.{hint}")
    return where, row
