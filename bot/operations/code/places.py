"""Which repository and which commit the arguments of a call name."""

import re
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import Field

from bot.comments import authorship
from bot.errors import Refused
from bot.identity.actors import TRUSTED
from bot.kernel.operation import Context
from bot.mirror import reads
from bot.operations.arguments import Branch
from bot.operations.code.lookup import EMPTY, Lookup, refuse
from bot.operations.github.targets import repository_of
from bot.operations.tasks.access import visible_repository, visible_task
from bot.repository import repository_settings
from bot.tasks import lookup
from bot.times import SECOND
from store.mirror import branches, code_objects, pulls, text_policies
from store.tables.mirror import PullRequestRow, RepositoryRow

Ref: TypeAlias = Annotated[Branch, Field(description="branch, tag or commit")]
WHOLE_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# A tag, or a branch that the mirror lacks, names the same commit for so long.
NAME_LASTS = 60 * SECOND
# A shortened SHA, a SHA in capitals, the output of `git describe`, and the ref of a pull request.
# They may lead to the commit of a fork, which shares its objects with the repository.
OF_ANYBODY = re.compile(r"(?:.*-g)?[0-9a-fA-F]{4,64}|(?:refs/)?pull/.*")
# GitHub's statuses for a name that no commit has.
NO_SUCH_NAME = ("404", "422")


@dataclass(frozen=True)
class Target:
    """`branch` is that of the task or pull request, or the default branch."""

    where: RepositoryRow
    branch: str
    pull: PullRequestRow | None = None
    is_task: bool = True


@dataclass(frozen=True)
class Commit:
    """`trusted`: it is on a branch or has a tag, so who made it may write to the repository.

    `head`: what the branch has now, if that is another commit.
    """

    sha: str
    trusted: bool
    head: str | None = None


async def target(ctx: Context, task: str | None, repository: str | None) -> Target:
    """What `task` (an issue or pull request) or `repository` names. Raise Refused."""
    if (task is None) == (repository is None):
        raise Refused("invalid_arguments", "Pass `task` or `repository`, and not both.")
    if task is None:
        assert repository is not None
        where = await visible_repository(ctx, repository)
        return Target(where, where["default_branch"], is_task=False)
    if named := lookup.parse(task):
        name, number = named
        where = await visible_repository(ctx, name)
        pull = await pulls.pull_request(ctx.tx, ctx.installation_id, where["id"], number)
        if pull is not None:
            return Target(where, pull["head_ref"], pull)
    return await _of_task(ctx, task)


async def _of_task(ctx: Context, ref: str) -> Target:
    row = await visible_task(ctx, ref)
    where = await repository_of(ctx, row)
    if pull := await lookup.pull_request(ctx.tx, row):
        return Target(where, pull["head_ref"], pull)
    if (branch := row["branch"]) and await branches.get(
        ctx.tx, ctx.installation_id, where["id"], branch
    ):
        return Target(where, branch)
    return Target(where, where["default_branch"])


async def commit(
    look: Lookup, wanted: Target, ref: str | None, pinned: str | None = None
) -> Commit | None:
    """The commit. None if GitHub must be asked first. Raise Refused if there is none.

    `pinned`: the commit that the page before showed, whatever the name means by now.
    """
    now = await _head(look, wanted, ref)
    sha = pinned or (ref if ref and WHOLE_SHA.fullmatch(ref) else None)
    if sha is None:
        return await _by_name(look, wanted, ref, now)
    trusted = await is_trusted(look, wanted, sha)
    # Only a commit that is known, or was read as one, is a commit of this repository.
    if not trusted and sha != now and not await look.is_known(sha):
        # It may be the SHA of an annotated tag, for which GitHub names the commit.
        return await _by_name(look, wanted, sha, None)
    return Commit(sha, trusted=trusted, head=now if now != sha else None)


async def _head(look: Lookup, wanted: Target, ref: str | None) -> str | None:
    """The head of the branch or pull request that the caller means. None if that is no branch."""
    if wanted.pull is not None and (ref is None or WHOLE_SHA.fullmatch(ref)):
        return wanted.pull["head_sha"]
    named = ref if ref and not WHOLE_SHA.fullmatch(ref) else wanted.branch
    if ref and named is not ref and not wanted.is_task:
        return None
    row = await branches.get(look.ctx.tx, *look.here, named)
    return row["sha"] if row else None


async def _by_name(
    look: Lookup, wanted: Target, ref: str | None, head: str | None
) -> Commit | None:
    if head is not None:
        return Commit(head, trusted=await is_trusted(look, wanted, head))
    name = ref or wanted.branch
    named = await code_objects.named_at(look.ctx.tx, look.here, name)
    if named is not None and look.ctx.now - named[1] < NAME_LASTS:
        # A tag, or a branch that the mirror lacks, was made by somebody who may write here.
        trusted = not OF_ANYBODY.fullmatch(name) or await is_trusted(look, wanted, named[0])
        return Commit(named[0], trusted=trusted)
    await _ask(look, name)
    return None


async def is_trusted(look: Lookup, wanted: Target, sha: str) -> bool:
    """Whether a branch has it as its head, or it is the head of a trusted author's pull request."""
    pull = wanted.pull
    if await branches.has_head(look.ctx.tx, *look.here, sha):
        return True
    if pull is None or pull["head_sha"] != sha:
        return False
    bot = authorship.bot_in(look.ctx.state)
    is_ours = authorship.is_ours(pull["author"], pull["author_id"], bot)
    return is_ours or pull["author_association"] in TRUSTED


async def check_shown(look: Lookup, *, trusted: bool) -> None:
    """Raise Refused if the repository withholds what outsiders wrote, and this is of one."""
    if trusted:
        return
    states = await text_policies.states(look.ctx.tx, look.ctx.installation_id, {look.where["id"]})
    settings = repository_settings.parse_or_default(states[0]["settings"] if states else None)
    if settings.texts.others == "withhold":
        raise Refused(
            "withheld",
            f"{look.where['full_name']} withholds from agents what people without write access "
            "wrote, and this commit is not known to be of anybody else. Ask a person to look at "
            "it, or to push it to a branch of the repository.",
        )


async def _ask(look: Lookup, name: str) -> None:
    """Have the name read. Raise Refused if GitHub knows none."""
    why = await look.want(reads.commit(look.where["id"], name))
    if why is None:
        return
    if why.startswith(NO_SUCH_NAME) and EMPTY not in why.casefold():
        raise Refused(
            "unknown_ref",
            f"{look.where['full_name']} has no branch, tag or commit `{name}`. The default branch "
            f"is `{look.where['default_branch']}`.",
        )
    refuse(look.where, why)
