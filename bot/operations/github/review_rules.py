"""What a review may say: whose verdict counts, on which head, and on which lines."""

from collections.abc import Collection, Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.comments import authorship
from bot.errors import Refused
from bot.identity import permissions
from bot.identity.actors import ROLES, TRUSTED
from bot.kernel.operation import Context
from bot.operations.arguments import NOT_BLANK
from bot.operations.github.targets import on_branch
from bot.pulls import review_verdicts
from store.agents import agents
from store.mirror import branches, pulls
from store.mirror.pulls import ChangedFile
from store.outbox import write_history
from store.tables.mirror import PullFilesRow, PullRequestRow
from store.tasks import tasks

Event: TypeAlias = Literal["APPROVE", "REQUEST_CHANGES", "COMMENT"]
# The kinds of write that make a pull request.
MAKING = ("pull", "commit")
# Roles that may decide about a pull request.
REVIEWERS = ROLES[ROLES.index("tester") :]
# How many reviewers, files or ranges of lines an error names.
MOST_NAMED = 5


class LineComment(BaseModel):
    """A comment on one or more lines of the changes."""

    model_config = ConfigDict(extra="forbid")

    path: Annotated[str, Field(min_length=1, max_length=1024)]
    line: Annotated[int, Field(ge=1, lt=2**31)]
    body: Annotated[str, Field(min_length=1, max_length=20_000), NOT_BLANK]
    side: Literal["LEFT", "RIGHT"] = "RIGHT"
    start_line: Annotated[int, Field(ge=1, lt=2**31)] | None = None

    @model_validator(mode="after")
    def _check_lines(self) -> "LineComment":
        if self.start_line is not None and self.start_line >= self.line:
            raise ValueError("pass `start_line` before `line`, or leave it out")
        return self


async def check_verdict(ctx: Context, pull: PullRequestRow, event: Event, sha: str | None) -> None:
    """Raise Refused for a verdict on a closed or an own pull request, or on an old head.

    An agent's approval names the head. Otherwise it could count for commits that came meanwhile.
    """
    if event == "COMMENT":
        return
    number = pull["number"]
    if pull["state"] != "open":
        how = "merged" if pull["merged"] else "closed"
        raise Refused(
            "invalid_arguments",
            f"#{number} is {how}, so it takes no verdict. Pass `event` COMMENT.",
        )
    found = await makers(ctx, pull)
    if ctx.actor.name in found:
        raise Refused(
            "own_work",
            f"You worked on #{number}, so you cannot approve it or request changes. "
            f"{await who_can(ctx, found)}",
            **permissions.missing(ctx.actor, "github_review_pr.verdict", "own"),
        )
    if sha is None and event == "APPROVE" and not ctx.actor.is_person:
        raise Refused(
            "invalid_arguments",
            "Pass `sha` with `event` APPROVE: the head that you looked at. github_get_diff "
            "returns it.",
        )
    await _check_head(ctx, pull, sha or pull["head_sha"])


async def check_approvals(ctx: Context, pull: PullRequestRow, needed: int) -> None:
    """Raise Refused if fewer agents approved the head than the repository asks for."""
    if not needed:
        return
    given = review_verdicts.approvals(await review_verdicts.of_pull(ctx.tx, pull), needed)
    if given.missing:
        raise Refused(
            "not_approved",
            f"{given.agents} of {needed} agents approved the head of #{pull['number']}, and no "
            f"person did. {await who_can(ctx, await makers(ctx, pull))}",
            approvals=given.agents,
            needed=needed,
        )


async def makers(ctx: Context, pull: PullRequestRow) -> set[str]:
    """Who opened it, committed to its branch with Hubbub, or holds its task."""
    target = on_branch({"id": pull["repository_id"]}, pull["head_ref"])
    found = await write_history.authors(ctx.tx, ctx.installation_id, target, MAKING)
    here = (ctx.tx, ctx.installation_id, pull["repository_id"], pull["number"])
    held = {each["holder"] for each in await tasks.of_pull(*here) if each["holder"]}
    return {*found, *held, f"@{pull['author']}"}


async def who_can(ctx: Context, excluded: Collection[str]) -> str:
    """Which agents may decide: those that are active now, or else the last that were."""
    here = (ctx.tx, ctx.installation_id, REVIEWERS, MOST_NAMED + len(excluded))
    active = await agents.of_roles(*here, active_since=ctx.now - ctx.shared.idle_after)
    others = [each for each in active if each not in excluded] or [
        each for each in await agents.of_roles(*here) if each not in excluded
    ]
    if not others:
        return "Ask a person to review it."
    return f"Ask another with github_update_pr `reviewers`: {', '.join(others[:MOST_NAMED])}."


async def _check_head(ctx: Context, pull: PullRequestRow, head: str) -> None:
    here = (ctx.tx, ctx.installation_id, pull["repository_id"])
    branch = await branches.get(*here, pull["head_ref"])
    # An own commit moves the branch in the mirror before the pull request's webhook comes.
    if head in (pull["head_sha"], branch and branch["sha"]):
        return
    raise Refused(
        "stale_head",
        f"The head of #{pull['number']} is {pull['head_sha']} now, not {head}. Read it with "
        "github_get_diff, then pass its `sha`.",
        head=pull["head_sha"],
    )


# --- Lines ----------------------------------------------------------------------------------------


async def check_lines(
    ctx: Context, pull: PullRequestRow, head: str, comments: Sequence[LineComment]
) -> None:
    """Raise Refused for a comment beside the changes, as far as the mirror knows them."""
    here = (ctx.tx, ctx.installation_id, pull["repository_id"])
    known = await pulls.files(*here, pull["number"]) if comments else None
    if known is None or known["head_sha"] != head:
        return  # GitHub checks it when the review is sent
    for place, comment in enumerate(comments):
        if why := line_error(known, comment, named=_is_trusted(ctx, pull)):
            raise Refused("invalid_arguments", f"`comments.{place}`: {why}.")


def _is_trusted(ctx: Context, pull: PullRequestRow) -> bool:
    bot = authorship.bot_in(ctx.state)
    is_ours = authorship.is_ours(pull["author"], pull["author_id"], bot)
    return is_ours or pull["author_association"] in TRUSTED


def line_error(known: PullFilesRow, comment: LineComment, *, named: bool) -> str | None:
    """Why a comment is beside the changes. None if it is not, or if that is not known.

    `named`: whether to name the changed files. An error has no mark for what outsiders write.
    """
    files: list[ChangedFile] = known["files"]
    file = next((each for each in files if each["path"] == comment.path), None)
    if file is None:
        changed = ", ".join(each["path"] for each in files[:MOST_NAMED])
        which = f"changed are {changed}" if named else "github_get_diff shows what is"
        return f"{comment.path} is not changed; {which}" if known["whole"] else None
    ranges = file.get("lines")
    if ranges is None:
        return None
    shown = ranges[comment.side]
    found = ", ".join(f"{first}-{last}" for first, last in shown[:MOST_NAMED]) or "none"
    lines = [each for each in (comment.line, comment.start_line) if each is not None]
    for line in lines:
        if not any(first <= line <= last for first, last in shown):
            return f"line {line} of {comment.path} is not in the diff; {comment.side} has {found}"
    # GitHub takes no comment that spans two hunks, also if no line is between them.
    if not any(first <= min(lines) and max(lines) <= last for first, last in shown):
        return (
            "`start_line` and `line` must be in one part of the diff; "
            f"{comment.side} of {comment.path} has {found}"
        )
    return None
