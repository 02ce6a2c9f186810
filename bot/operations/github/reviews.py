"""Reviewing pull requests."""

from typing import Annotated

from pydantic import Field

from bot.comments import authorship, cleaning, markers, replies
from bot.errors import Refused
from bot.kernel.operation import Context, operation
from bot.mirror import activity, pull_effects
from bot.operations.arguments import Body, CommentId, PullRef, Sha
from bot.operations.github.comment_limits import admit_comment
from bot.operations.github.review_rules import Event, LineComment, check_lines, check_verdict
from bot.operations.github.targets import on_issue, pull_of
from bot.operations.github.writing import Queued, Writes, queue
from bot.pulls.review_verdicts import ReviewState
from store.mirror import threads
from store.tables.mirror import PullRequestRow, RepositoryRow
from store.tasks import verdicts

STATES: dict[Event, ReviewState] = {
    "APPROVE": "approved",
    "REQUEST_CHANGES": "changes_requested",
    "COMMENT": "commented",
}


@operation(reaches_github=True)
async def github_review_pr(
    ctx: Context,
    pull_request: PullRef,
    body: Body = "",
    event: Annotated[Event, Field(description="your verdict")] = "COMMENT",
    comments: Annotated[
        list[LineComment], Field(max_length=50, description="comments on lines")
    ] = [],  # noqa: B006
    reply_to: Annotated[CommentId, Field(description="the review comment to answer")] | None = None,
    resolve: Annotated[
        list[CommentId], Field(max_length=20, description="ids of threads to resolve")
    ] = [],  # noqa: B006
    sha: Annotated[Sha, Field(description="the head you looked at")] | None = None,
) -> Writes:
    """Review a pull request with comments on lines, reply to a comment, or resolve threads.

    Hubbub keeps your verdict. Requested changes send the task back to its holder.
    """
    where, row = await pull_of(ctx, pull_request)
    given = bool(body.strip() or comments or event == "APPROVE")
    if not given and (reply_to or event != "COMMENT" or not resolve):
        raise Refused(
            "invalid_arguments", "Pass `body`, `comments`, `event` APPROVE, or `resolve`."
        )
    if reply_to and (not body.strip() or comments or event != "COMMENT"):
        raise Refused(
            "invalid_arguments", "With `reply_to` pass `body`, and no `comments` or `event`."
        )
    queued = [await _resolve(ctx, where, row, resolve)] if resolve else []
    if reply_to:
        queued.append(await _reply(ctx, where, row, reply_to, body))
    elif given:
        queued.append(await _review(ctx, where, row, event, sha, body, comments))
    return Writes(writes=queued)


async def _reply(
    ctx: Context, where: RepositoryRow, row: PullRequestRow, comment_id: int, body: str
) -> Queued:
    await admit_comment(ctx, where, row["number"])
    arguments = {"number": row["number"], "comment_id": comment_id, "body": body}
    return await queue(ctx, "review_reply", where, on_issue(where, row["number"]), arguments)


async def _resolve(
    ctx: Context, where: RepositoryRow, row: PullRequestRow, comment_ids: list[int]
) -> Queued:
    """Queue one write for all threads, which any of their comments may name. Raise Refused."""
    here = (ctx.tx, ctx.installation_id, where["id"], row["number"])
    found = await threads.review_comments(*here, comment_ids)
    if unknown := sorted(set(comment_ids) - {each["id"] for each in found}):
        raise Refused(
            "unknown_comment",
            f"`resolve`: there is no review comment {unknown[0]} on #{row['number']}. "
            "github_get_thread returns the ids as `thread`.",
        )
    first = sorted({each["in_reply_to_id"] or each["id"] for each in found})
    # If the first comment was deleted, GitHub finds the thread by the one that was named.
    others = sorted({each["id"] for each in found} - {*first})
    arguments = {"number": row["number"], "threads": first, "comments": others}
    return await queue(ctx, "resolve_threads", where, on_issue(where, row["number"]), arguments)


async def _review(
    ctx: Context,
    where: RepositoryRow,
    row: PullRequestRow,
    event: Event,
    sha: str | None,
    body: str,
    comments: list[LineComment],
) -> Queued:
    head = sha or row["head_sha"]
    await check_verdict(ctx, row, event, sha)
    await check_lines(ctx, row, head, comments)
    await admit_comment(ctx, where, row["number"])
    text, posted = body, event
    if event != "COMMENT" and await _is_ours(ctx, row):
        text, posted = f"{replies.VERDICTS[event]}\n\n{body}".strip(), "COMMENT"
    arguments = {
        "number": row["number"],
        "event": posted,
        "commit_id": head,
        "body": text,
        "comments": [each.model_dump(exclude_none=True) for each in comments],
    }
    queued = await queue(ctx, "review", where, on_issue(where, row["number"]), arguments)
    first = body.strip() or (comments[0].body if comments else "")
    await _record(ctx, row, STATES[event], head, cleaning.note(first).text, queued.write_id)
    return queued


async def _record(
    ctx: Context, row: PullRequestRow, verdict: ReviewState, head: str, quote: str, write_id: str
) -> None:
    """Store the verdict, which counts at once, and tell those who work on the task."""
    await verdicts.add(
        ctx.tx,
        {
            "installation_id": ctx.installation_id,
            "write_id": write_id,
            "repository_id": row["repository_id"],
            "number": row["number"],
            "reviewer": ctx.actor.name,
            "verdict": verdict,
            "head_sha": head,
            "at": ctx.now,
        },
    )
    await activity.append_verdict(ctx.tx, row, ctx.actor.name, verdict, quote, write_id)
    if verdict == "changes_requested":
        why = f"{ctx.actor.name} requested changes on #{row['number']}"
        await pull_effects.send_back(ctx.tx, row, ctx.now, ctx.actor.name, why)
    if verdict != "commented":
        await pull_effects.show_verdicts(ctx.tx, row)


async def _is_ours(ctx: Context, pull: PullRequestRow) -> bool:
    """Whether the App opened it: all agents share one account on GitHub."""
    bot = authorship.bot_in(ctx.state)
    return (
        authorship.is_ours(pull["author"], pull["author_id"], bot)
        and markers.unverified_id(pull["body"], "write") is not None
    )
