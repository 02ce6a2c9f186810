"""Opening, changing and merging pull requests."""

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from bot.errors import Refused
from bot.identity import permissions
from bot.kernel.operation import Context, RepositoryName, TaskRef, operation
from bot.operations.arguments import (
    Body,
    Branch,
    Fence,
    Logins,
    PullRef,
    Sha,
    Title,
)
from bot.operations.github import open_pulls, review_requests
from bot.operations.github.review_rules import check_approvals
from bot.operations.github.targets import (
    on_branch,
    on_issue,
    pull_of,
    work_place,
)
from bot.operations.github.writing import Queued, Writes, nothing_to_change, queue
from bot.operations.tasks import ownership
from bot.repository import repository_settings
from store.mirror import branches
from store.outbox import writes
from store.tables.mirror import PullRequestRow, RepositoryRow
from store.tasks import tasks

Merge: TypeAlias = Literal["merge", "squash", "rebase"]
TEAM = re.compile(r"[A-Za-z0-9_.-]+")


@operation(reaches_github=True)
async def github_create_pr(
    ctx: Context,
    head: Annotated[Branch, Field(description="the branch with your commits")],
    title: Title,
    task: TaskRef | None = None,
    fence: Fence | None = None,
    repository: RepositoryName | None = None,
    base: Annotated[Branch | None, Field(description="default: the default branch")] = None,
    body: Body = "",
    draft: Annotated[bool, Field(description="true: not ready for review")] = False,  # noqa: FBT002 - callers name their arguments
    replace: Annotated[bool, Field(description="close the task's other one")] = False,  # noqa: FBT002
) -> Writes:
    """Open a pull request, whose merge closes the task's issue.

    If the branch has an open one, that is used.
    """
    row, where = await work_place(ctx, task, fence, repository)
    base = base or where["default_branch"]
    if head == base:
        raise Refused("invalid_arguments", f"`head` and `base` are both {head}: pass two branches.")
    owned = await ownership.task_of_branch(ctx, where, head)
    row, replaced = row or owned, None
    if row:
        assert row["number"] is not None, "only a task with an issue can be held"
        body = _closing(body, row["number"])
        replaced = await open_pulls.to_replace(ctx, row, head, base, replace=replace)
        if replaced is not None:
            await _check_branch_exists(ctx, where, head)
        await tasks.change(ctx.tx, ctx.installation_id, row["id"], branch=head)
    arguments = {"head": head, "base": base, "title": title, "body": body, "draft": draft}
    made = await queue(ctx, "pull", where, on_branch(where, head), arguments, row)
    if row is None or replaced is None:
        return Writes(writes=[made])
    closing = await open_pulls.close(ctx, where, row, replaced, head, made)
    return Writes(writes=[made, *closing])


async def _check_branch_exists(ctx: Context, where: RepositoryRow, head: str) -> None:
    """Raise Refused unless the branch exists, or a queued commit creates it.

    Elsewhere GitHub decides, because the mirror may not know what was pushed a moment ago. But a
    pull request is not closed for one that GitHub would refuse.
    """
    here = (ctx.tx, ctx.installation_id)
    known = await branches.get(*here, where["id"], head)
    if known or await writes.waiting(*here, on_branch(where, head), "commit"):
        return
    raise Refused(
        "invalid_arguments",
        f"The branch {head} does not exist. Commit to it with github_commit_files first. If you "
        "pushed it a moment ago, call again in a few seconds. Nothing was changed.",
    )


def _closing(body: str, number: int) -> str:
    """The body with the issue's name, so that the merge closes the issue."""
    if re.search(rf"\b(close[sd]?|fix(es|ed)?|resolve[sd]?):? #{number}\b", body, re.IGNORECASE):
        return body
    return f"{body}\n\nCloses #{number}".strip()


class PullChange(Writes):
    asked: list[str] = Field([], description="agents that got a message")


@operation(reaches_github=True, idempotent=True, destructive=True)
async def github_update_pr(
    ctx: Context,
    pull_request: PullRef,
    title: Title | None = None,
    body: Body | None = None,
    state: Annotated[
        Literal["open", "closed"] | None, Field(description="close or reopen it")
    ] = None,
    draft: Annotated[bool | None, Field(description="false: ready for review")] = None,
    reviewers: Annotated[
        Logins | None, Field(description="agents, logins or org/team to ask")
    ] = None,
    merge: Annotated[Merge | None, Field(description="merge it by this method")] = None,
    sha: Annotated[Sha, Field(description="for merge: the head you looked at")] | None = None,
) -> PullChange:
    """Change the fields that you pass, ask for reviews, or merge.

    Agents may merge where the repository's settings allow it.
    """
    where, row = await pull_of(ctx, pull_request)
    number = {"number": row["number"]}
    given = {"title": title, "body": body, "state": state}
    fields = {name: value for name, value in given.items() if value is not None}
    changes: list[tuple[str, dict[str, Any]]] = []
    task = await ownership.task_of_pull(ctx, where, row)
    if fields:
        changes.append(("pull_update", number | fields))
    if draft is not None:
        changes.append(("pull_draft", number | {"draft": draft}))
    asked, on_github = await review_requests.split(ctx, reviewers or [])
    if on_github:
        changes.append(("reviewers", number | _reviewers(where, on_github)))
    if merge is not None:
        changes.append(("merge", number | await _merge_arguments(ctx, where, row, merge, sha)))
    if asked:
        await review_requests.ask(ctx, where, row, asked)
    elif not changes:
        raise nothing_to_change("title, body, state, draft, reviewers, merge")
    target = on_issue(where, row["number"])
    queued: list[Queued] = [
        await queue(ctx, kind, where, target, args, task) for kind, args in changes
    ]
    return PullChange(writes=queued, asked=asked)


def _reviewers(where: RepositoryRow, wanted: list[str]) -> dict[str, list[str]]:
    """GitHub takes people by login and teams by slug. Raise Refused."""
    owner = where["full_name"].partition("/")[0]
    teams = [each for each in wanted if "/" in each]
    for each in teams:
        organization, _, slug = each.partition("/")
        if organization.casefold() != owner.casefold() or not TEAM.fullmatch(slug):
            raise Refused(
                "invalid_arguments",
                f"`reviewers` has {each}. Pass a login, or a team of {owner} as {owner}/<slug>.",
            )
    found = {
        "reviewers": [each for each in wanted if "/" not in each],
        "team_reviewers": [each.partition("/")[2] for each in teams],
    }
    return {name: each for name, each in found.items() if each}


async def _merge_arguments(
    ctx: Context, where: RepositoryRow, row: PullRequestRow, how: Merge, sha: str | None
) -> dict[str, Any]:
    """Raise Refused if the actor may not merge it."""
    settings = await repository_settings.of(ctx.tx, ctx.installation_id, where["id"])
    if not settings.agents_may_merge and not ctx.actor.is_person:
        raise Refused(
            "forbidden",
            f"Agents may not merge in {where['full_name']}. Ask a person to merge, or to set "
            "`agents_may_merge: true` in .github/hubbub.yml.",
            **permissions.missing(ctx.actor, "github_update_pr.merge") | {"needs": None},
        )
    if row["state"] != "open":
        raise Refused("invalid_arguments", f"#{row['number']} is not open, so it cannot be merged.")
    by_agent = not ctx.actor.is_person
    if by_agent:
        await check_approvals(ctx, row, settings.check.approvals)
    return {"sha": sha or row["head_sha"], "merge_method": how, "by_agent": by_agent}
