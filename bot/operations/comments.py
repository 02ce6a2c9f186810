"""What agents say on issues and pull requests."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from bot import ceilings, said, tasks
from bot.errors import Refused
from bot.operation import Context, TaskRef, operation
from bot.operations.tasks import Fence
from bot.operations.writing import Body, Write, on_issue, thread, write
from store import mirror
from store import tasks as stored
from store.transaction import Row

Reaction: TypeAlias = Literal["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"]
Reason: TypeAlias = Literal["OUTDATED", "RESOLVED", "DUPLICATE", "OFF_TOPIC"]
CommentId: TypeAlias = Annotated[int, Field(ge=1, lt=2**63)]


@operation(role="tester", reaches_github=True)
async def github_comment_issue(
    ctx: Context,
    issue: TaskRef,
    body: Body = "",
    action: Literal["create", "edit", "delete", "minimize", "react"] = "create",
    comment_id: CommentId | None = None,
    reaction: Reaction | None = None,
    reason: Reason = "OUTDATED",
    fence: Fence | None = None,
) -> Write:
    """Comment on an issue or pull request; edit, delete or minimize a comment of yours; react.

    With the fence of your lease, it is dropped should the lease expire before it goes out.
    """
    task, where, number = await thread(ctx, issue, fence)
    target = on_issue(where, number)
    if action in ("create", "edit") and not body.strip():
        raise Refused("invalid_arguments", f"`body` is needed to {action} a comment.")
    if action == "create":
        await _may_comment(ctx, where, number)
        arguments = {"number": number, "body": body}
        return await write(ctx, "comment", where, target, arguments, task)
    if action == "react":
        arguments = await _reacting(ctx, where, number, comment_id, reaction)
        return await write(ctx, "reaction", where, target, arguments, task)
    row = await _own_comment(ctx, where, number, comment_id)
    more: dict[str, Any] = {"body": body} if action == "edit" else {}
    if action == "minimize":
        more = {"classifier": reason}
    arguments = {"number": number, "comment_id": row["id"], **more}
    return await write(ctx, f"comment_{action}", where, target, arguments, task)


async def _reacting(
    ctx: Context, where: Row, number: int, comment_id: int | None, reaction: str | None
) -> dict[str, Any]:
    if reaction is None:
        raise Refused("invalid_arguments", "`reaction` is needed to react.")
    if comment_id is None:
        return {"source": "issue", "number": number, "content": reaction}
    await _comment(ctx, where, number, comment_id)
    return {"source": "comment", "comment_id": comment_id, "content": reaction}


async def _comment(ctx: Context, where: Row, number: int, comment_id: int | None) -> Row:
    row = await mirror.comment(ctx.tx, ctx.installation_id, comment_id) if comment_id else None
    if row is None or (row["repository_id"], row["number"]) != (where["id"], number):
        raise Refused("unknown_comment", f"There is no comment {comment_id} on #{number}.")
    return row


async def _own_comment(ctx: Context, where: Row, number: int, comment_id: int | None) -> Row:
    """One that the actor wrote; a tech-lead may also take another agent's."""
    row = await _comment(ctx, where, number, comment_id)
    author = await said.author(ctx.tx, row)
    if author is None or not (author == ctx.actor.name or ctx.actor.may("tech-lead")):
        raise Refused(
            "forbidden",
            f"Comment {row['id']} is not yours: agents change only what they wrote themselves.",
        )
    return row


async def _may_comment(ctx: Context, where: Row, number: int) -> None:
    """Raise Refused beyond a ceiling, and to two who only answer each other."""
    here, target = (ctx.tx, ctx.installation_id), on_issue(where, number)
    lately = await said.in_the_last_hour(*here, target, of_bot=False)
    total = await mirror.count_comments(*here, where["id"], number)
    if lately >= ceilings.MOST_AN_HOUR or total >= ceilings.MOST_COMMENTS:
        raise Refused(
            "too_many_comments",
            f"#{number} has had {lately} comments of agents in this hour, and {total} in all; "
            f"{ceilings.MOST_AN_HOUR} an hour and {ceilings.MOST_COMMENTS} in all are taken. "
            "Tell your progress with update_task_status: it edits the card. Talk to other agents "
            "with send_message.",
            in_the_last_hour=lately,
            in_all=total,
        )
    before = await said.parties(*here, where, number, target)
    if stopped := ceilings.exchange(before):
        if ctx.actor.name in stopped:
            raise _stopped(number, stopped)
    elif about_to := ceilings.exchange([ctx.actor.name, *before]):
        await _tell(ctx, where, number, " and ".join(about_to))
    else:
        await _tell(ctx, where, number, None)


def _stopped(number: int, between: tuple[str, str]) -> Refused:
    first, second = between
    return Refused(
        "loop_stopped",
        f"{first} and {second} have answered each other {ceilings.EXCHANGES} times on #{number} "
        "with nobody else in between. Both wait until somebody else writes there; send_message "
        "reaches the other without GitHub.",
        between=[first, second],
    )


async def _tell(ctx: Context, where: Row, number: int, between: str | None) -> None:
    """On the card, that this was the last of their exchange; or no more."""
    task = await stored.by_number(ctx.tx, ctx.installation_id, where["id"], number)
    if task is not None and task["loop_between"] != between:
        await stored.change(ctx.tx, ctx.installation_id, task["id"], loop_between=between)
        await tasks.show_card(ctx.tx, ctx.installation_id, task["id"])
