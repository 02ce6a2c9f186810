"""What assignments and pull requests of hosted agents, such as Copilot, mean for tasks."""

from bot.agents import hosted_claims
from bot.comments import authorship
from bot.mirror.attribution import actor_of
from bot.mirror.changes import Sender
from store.engine.transaction import Tx
from store.tables.mirror import IssueRow, PullRequestRow

ASSIGNING = ("assigned", "unassigned", "opened", "reopened")
OF_PULLS = ("opened", "reopened", "closed", "ready_for_review", "edited")


async def follow_assignment(
    tx: Tx, row: IssueRow, before: IssueRow | None, sender: Sender | None
) -> None:
    actor = await actor_of(tx, row, sender, ASSIGNING)
    by_bot = sender is not None and authorship.is_bot(sender.login)
    await hosted_claims.follow_assignment(tx, row, before, actor, by_bot=by_bot)


async def follow_pull(
    tx: Tx, row: PullRequestRow, before: PullRequestRow | None, sender: Sender | None
) -> None:
    actor = await actor_of(tx, row, sender, OF_PULLS)
    await hosted_claims.follow_pull(tx, row, before, actor)
