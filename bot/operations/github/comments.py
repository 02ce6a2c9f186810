"""Comments of agents on issues and pull requests."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from bot.comments import history
from bot.errors import Refused
from bot.identity import permissions
from bot.kernel.operation import Context, TaskRef, operation
from bot.operations.arguments import Body, CommentId, Fence
from bot.operations.files import attaching
from bot.operations.files.views import FileIds
from bot.operations.github import same_comment
from bot.operations.github.comment_limits import admit_comment
from bot.operations.github.targets import on_issue, thread_of
from bot.operations.github.writing import Writes, write, write_view
from bot.tasks import lifecycle, publishing
from store.mirror import stored_issues, threads
from store.tables.mirror import CommentRow, RepositoryRow
from store.tables.outbox import WriteRow
from store.tasks import tasks

CHANGE = "github_comment_issue.change"
Reaction: TypeAlias = Literal["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"]
SAME = "your last comment here is the same, so there is no second one"
Reason: TypeAlias = Literal["OUTDATED", "RESOLVED", "DUPLICATE", "OFF_TOPIC"]


@operation(reaches_github=True, destructive=True)
async def github_comment_issue(
    ctx: Context,
    issue: TaskRef,
    body: Body = "",
    action: Annotated[
        Literal["create", "edit", "delete", "minimize", "react"], Field(description="what to do")
    ] = "create",
    comment_id: CommentId | None = None,
    reaction: Annotated[Reaction | None, Field(description="for react")] = None,
    reason: Annotated[Reason, Field(description="for minimize")] = "OUTDATED",
    fence: Fence | None = None,
    attachments: FileIds = [],  # noqa: B006 - pydantic copies it
) -> Writes:
    """Comment on an issue or pull request, react, or change your own comment.

    With a fence, it is dropped if your lease expires first.
    """
    _check_action(action, comment_id, reaction, attachments)
    task, where, number = await thread_of(ctx, issue, fence, even_on_hold=True)
    target = on_issue(where, number)
    if action in ("create", "edit") and not body.strip():
        raise Refused("invalid_arguments", f"Pass `body` to {action} a comment.")
    if action == "create":
        await _attach(ctx, where, number, attachments)
        if first := await same_comment.before(ctx, where, number, body):
            again = {"cleaned": [SAME]}
            return Writes(writes=[write_view(first).model_copy(update=again)])
        await admit_comment(ctx, where, number)
        arguments = {"number": number, "body": body}
        written = await write(ctx, "comment", where, target, arguments, task)
        await _answer_question(ctx, where, number, body)
        return written
    if action == "react":
        arguments = await _reaction_arguments(ctx, where, number, comment_id, reaction)
        return await write(ctx, "reaction", where, target, arguments, task)
    row, origin = await _own_comment(ctx, where, number, comment_id)
    more: dict[str, Any] = {}
    if action == "edit":
        more = {"body": body, "mark": origin["id"], "author": origin["author"]}
    if action == "minimize":
        more = {"classifier": reason}
    arguments = {"number": number, "comment_id": row["id"], **more}
    return await write(ctx, f"comment_{action}", where, target, arguments, task)


async def _answer_question(ctx: Context, where: RepositoryRow, number: int, body: str) -> None:
    """A comment of a person answers, as on GitHub. Its echo comes from the bot, so not that one."""
    if not ctx.actor.is_person:
        return
    task = await tasks.by_number(ctx.tx, ctx.installation_id, where["id"], number)
    if task is not None and task["question"]:
        locked = await tasks.lock(ctx.tx, ctx.installation_id, task["id"]) or task
        await lifecycle.record_answer(ctx.tx, locked, ctx.actor.name, body)


async def _attach(
    ctx: Context, where: RepositoryRow, number: int, attachments: Sequence[str]
) -> None:
    """Attach files to the task that the comment is on. Raise Refused."""
    if not (files := await attaching.check(ctx, attachments)):
        return
    task = await tasks.by_number(ctx.tx, ctx.installation_id, where["id"], number)
    if task is None:
        raise Refused(
            "invalid_arguments", f"#{number} is not a task, so files cannot be attached to it."
        )
    await attaching.attach(ctx, "task", task["id"], files)
    await publishing.show_report(ctx.tx, task)


def _check_action(
    action: str, comment_id: int | None, reaction: str | None, attachments: Sequence[str]
) -> None:
    """Raise Refused unless the arguments fit the action."""
    if action in ("edit", "delete", "minimize") and comment_id is None:
        raise Refused("invalid_arguments", f"Pass `comment_id` to {action} a comment.")
    if action == "create" and comment_id is not None:
        raise Refused(
            "invalid_arguments",
            "A new comment has no `comment_id`. To change a comment pass `action` edit.",
        )
    if action != "create" and attachments:
        raise Refused("invalid_arguments", f"Pass `attachments` only to create, not to {action}.")
    if action != "react" and reaction is not None:
        raise Refused(
            "invalid_arguments", f"Pass `reaction` only with `action` react, not {action}."
        )


async def _reaction_arguments(
    ctx: Context, where: RepositoryRow, number: int, comment_id: int | None, reaction: str | None
) -> dict[str, Any]:
    if reaction is None:
        raise Refused("invalid_arguments", "Pass `reaction` with `action` react.")
    if comment_id is None:
        return {"source": "issue", "number": number, "content": reaction}
    source = "review_comment"
    if not await _is_on_line(ctx, where, number, comment_id):
        source = "comment"
        await _comment(ctx, where, number, comment_id)
    return {"source": source, "comment_id": comment_id, "content": reaction}


async def _is_on_line(ctx: Context, where: RepositoryRow, number: int, comment_id: int) -> bool:
    """Whether it is a comment of a review, on a line of this pull request."""
    here = (ctx.tx, ctx.installation_id, where["id"], number)
    return bool(await threads.review_comments(*here, [comment_id]))


async def _comment(
    ctx: Context, where: RepositoryRow, number: int, comment_id: int | None
) -> CommentRow:
    row = (
        await stored_issues.comment(ctx.tx, ctx.installation_id, comment_id) if comment_id else None
    )
    if row is None or (row["repository_id"], row["number"]) != (where["id"], number):
        if comment_id and await _is_on_line(ctx, where, number, comment_id):
            raise Refused(
                "unknown_comment",
                f"Comment {comment_id} is on a line. You can react to it, or answer it with "
                "github_review_pr `reply_to`, but not change it.",
            )
        raise Refused(
            "unknown_comment",
            f"There is no comment {comment_id} on #{number}. github_get_thread returns the ids.",
        )
    return row


async def _own_comment(
    ctx: Context, where: RepositoryRow, number: int, comment_id: int | None
) -> tuple[CommentRow, WriteRow]:
    """A comment of the actor, and its write. A tech-lead may change those of all agents."""
    row = await _comment(ctx, where, number, comment_id)
    origin = await history.origin(ctx.tx, row)
    mine = origin is not None and origin["author"] == ctx.actor.name
    if origin is None or not (
        mine or permissions.allows(ctx.actor, CHANGE, repository_id=where["id"])
    ):
        raise Refused(
            "forbidden",
            f"Comment {row['id']} is not yours. Agents can change only their own comments, and "
            "a tech-lead those of all agents.",
            **permissions.missing(ctx.actor, CHANGE),
        )
    return row, origin
