"""What still waits for the author of a pull request that goes to review again."""

from bot.kernel.operation import Context
from bot.operations.github.targets import on_branch
from bot.pulls import review_verdicts
from bot.tasks import lookup
from store.mirror import branches
from store.outbox import writes
from store.tables.mirror import PullRequestRow
from store.tasks.tasks import FullTask


async def hint(ctx: Context, task: FullTask) -> str | None:
    """Who requested changes on the head that the pull request still has. None: nobody."""
    pull = await lookup.pull_request(ctx.tx, task)
    if pull is None or pull["state"] != "open":
        return None
    given = review_verdicts.with_state(
        await review_verdicts.of_pull(ctx.tx, pull), "changes_requested"
    )
    names = ", ".join(each.by for each in given if not each.outdated)
    if not names or await _has_newer_commit(ctx, pull):
        return None
    return (
        f"{names} requested changes on {pull['head_sha'][:7]}, which is still the head of "
        f"#{pull['number']}. Push a commit, or answer with github_comment_issue and ask again with "
        "github_update_pr `reviewers`."
    )


async def _has_newer_commit(ctx: Context, pull: PullRequestRow) -> bool:
    """Whether a commit is queued, or was sent and its webhook is not here yet."""
    here = (ctx.tx, ctx.installation_id)
    where, branch = pull["repository_id"], pull["head_ref"]
    if await writes.waiting(*here, on_branch({"id": where}, branch), "commit"):
        return True
    known = await branches.get(*here, where, branch)
    return known is not None and known["sha"] != pull["head_sha"]
