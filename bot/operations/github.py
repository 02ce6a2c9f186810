"""What agents write on GitHub: each is a row of the outbox, answered at once."""

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from bot.errors import Refused
from bot.operation import Answer, Context, RepositoryName, TaskRef, operation
from bot.operations.tasks import Fence, covered, found, held
from bot.times import SECOND, stamp
from store import mirror, writes
from store import tasks as stored
from store.transaction import Row

WriteState: TypeAlias = Literal[
    "queued", "sending", "sent", "unknown", "refused", "dead", "superseded", "cancelled"
]
Title: TypeAlias = Annotated[str, Field(min_length=1, max_length=256)]
# GitHub takes 65,536 characters; the rest is for what we add.
Body: TypeAlias = Annotated[str, Field(max_length=60_000)]
Branch: TypeAlias = Annotated[str, Field(pattern=r"^[^\s~^:?*\[\\]+$", max_length=240)]


class Write(Answer):
    write_id: str
    kind: str
    state: WriteState
    ahead: int = Field(description="how many writes go out before this one")
    expected_at: str | None = Field(description="when it should go out; None once it has")
    result: dict[str, Any] | None = Field(description="what GitHub made: id, number, url")
    error: dict[str, Any] | None = Field(description="why GitHub, or we, did not do it")


async def _queued(
    ctx: Context, kind: str, where: Row, target: str, arguments: dict[str, Any], task: Row | None
) -> Write:
    ahead = await writes.ahead(ctx.tx, ctx.installation_id)
    write_id = await writes.queue(
        ctx.tx,
        ctx.installation_id,
        kind=kind,
        repository_id=where["id"],
        target=target,
        arguments=arguments,
        author=ctx.actor.name,
        task_id=task["id"] if task else None,
        lease_id=task["lease_id"] if task else None,
    )
    return Write(
        write_id=write_id,
        kind=kind,
        state="queued",
        ahead=ahead,
        expected_at=stamp(ctx.now + ahead * SECOND),
        result=None,
        error=None,
    )


@operation(role="developer", reaches_github=True)
async def github_create_issue(
    ctx: Context,
    repository: RepositoryName,
    title: Title,
    body: Body = "",
    labels: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=50)]], Field(max_length=20)
    ] = [],  # noqa: B006 - pydantic copies it
) -> Write:
    """Open an issue. For one that agents shall work on use create_task."""
    where = await covered(ctx, repository)
    arguments = {"title": title, "body": body, "labels": labels}
    return await _queued(ctx, "issue", where, f"repository {where['id']}", arguments, None)


@operation(role="tester", reaches_github=True)
async def github_comment_issue(
    ctx: Context,
    issue: TaskRef,
    body: Annotated[Body, Field(min_length=1)],
    fence: Fence | None = None,
) -> Write:
    """Comment on an issue or pull request.

    With the fence of your lease, it is dropped should the lease expire before it goes out.
    """
    task, where, number = await _thread(ctx, issue, fence)
    target = f"issue {where['id']}#{number}"
    return await _queued(ctx, "comment", where, target, {"number": number, "body": body}, task)


async def _thread(ctx: Context, ref: str, fence: int | None) -> tuple[Row | None, Row, int]:
    """The task if it is held by this fence, the repository, the number."""
    full_name, sign, digits = ref.rpartition("#")
    if fence is not None or not sign:
        task = await held(ctx, ref, fence) if fence is not None else await found(ctx, ref)
        if task["number"] is None:
            raise Refused(
                "no_issue_yet", f"GitHub has not numbered {ref} yet; its write is under way."
            )
        where = await mirror.repository_by_id(ctx.tx, ctx.installation_id, task["repository_id"])
        assert where is not None
        return (task if fence is not None else None), where, task["number"]
    where = await covered(ctx, full_name)
    number = int(digits) if digits.isdecimal() and len(digits) < 16 else 0
    here = (ctx.tx, ctx.installation_id, where["id"], number)
    if await mirror.issue(*here) is None and await mirror.pull_request(*here) is None:
        raise Refused("unknown_task", f"There is no issue or pull request {ref!r}.")
    return None, where, number


@operation(role="developer", reaches_github=True)
async def github_create_pr(
    ctx: Context,
    head: Annotated[Branch, Field(description="the branch with your commits")],
    title: Title,
    task: TaskRef | None = None,
    fence: Fence | None = None,
    repository: RepositoryName | None = None,
    base: Annotated[Branch | None, Field(description="the default branch when left out")] = None,
    body: Body = "",
    draft: bool = False,  # noqa: FBT001, FBT002 - callers name their arguments
) -> Write:
    """Open a pull request, for a task you hold or in a repository.

    A task's issue closes with the merge. One that is open for the branch already is adopted.
    """
    row = await held(ctx, task, fence) if task else None
    if row is None and repository is None:
        raise Refused("invalid_arguments", "Give `task` (with its fence) or `repository`.")
    where = (
        await mirror.repository_by_id(ctx.tx, ctx.installation_id, row["repository_id"])
        if row
        else await covered(ctx, repository or "")
    )
    assert where is not None
    if row:
        body = _closing(body, row["number"])
        await stored.change(ctx.tx, ctx.installation_id, row["id"], branch=head)
    arguments = {
        "head": head,
        "base": base or where["default_branch"],
        "title": title,
        "body": body,
        "draft": draft,
    }
    return await _queued(ctx, "pull", where, f"branch {where['id']} {head}", arguments, row)


def _closing(body: str, number: int) -> str:
    """Name the issue, so that GitHub closes it with the merge."""
    if re.search(rf"\b(close[sd]?|fix(es|ed)?|resolve[sd]?):? #{number}\b", body, re.IGNORECASE):
        return body
    return f"{body}\n\nCloses #{number}".strip()


def _final(answer: Write) -> bool:
    return answer.state in writes.FINAL


@operation(role="observer", reads_only=True, settled=_final)
async def get_write(ctx: Context, write_id: Annotated[str, Field(max_length=40)]) -> Write:
    """What became of a write of yours: queued, sent with its result, or refused with the reason."""
    row = await writes.get(ctx.tx, ctx.installation_id, write_id)
    if row is None or not (row["author"] == ctx.actor.name or ctx.actor.may("tech-lead")):
        raise Refused("unknown_write", f"There is no write {write_id!r} of yours.")
    live = row["state"] in writes.LIVE
    ahead = await writes.ahead(ctx.tx, ctx.installation_id, row["seq"]) if live else 0
    return Write(
        write_id=row["id"],
        kind=row["kind"],
        state=row["state"],
        ahead=ahead,
        expected_at=stamp(max(row["not_before"], ctx.now) + ahead * SECOND) if live else None,
        result=row["result"],
        error=row["error"],
    )
