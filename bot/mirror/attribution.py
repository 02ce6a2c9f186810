"""Who made a change on GitHub. Of a change that Hubbub made, the one for whom it was made."""

from collections.abc import Collection

from bot.comments import authorship
from bot.identity.actors import BOT
from bot.mirror.changes import Sender
from bot.times import SECOND
from store.engine.transaction import Tx
from store.outbox import write_history, writes
from store.tables.mirror import IssueRow, PullRequestRow

# The writes that change the state or the labels of an issue or a pull request.
CHANGING = ("issue_update", "pull_update", "merge")
# A webhook comes soon after the write that it is about.
LATELY = 3600 * SECOND


async def actor_of(
    tx: Tx,
    row: IssueRow | PullRequestRow,
    sender: Sender | None,
    did: Collection[str],
    pull_number: int | None = None,
) -> str:
    """The actor of one of the actions in `did`, or Hubbub where nobody knows.

    `pull_number`: the pull request whose merge may have closed the issue.
    """
    if sender is None or sender.did not in did:
        return BOT
    if not authorship.is_bot(sender.login):
        return f"@{authorship.shown_author(sender.login)}"
    if not authorship.is_ours(sender.login, sender.id, await authorship.bot_id(tx)):
        return sender.login
    targets = [writes.on_issue(row["repository_id"], row["number"])]
    if pull_number is not None:
        targets.append(writes.on_issue(row["repository_id"], pull_number))
    return await _last_author(tx, row["installation_id"], targets)


async def _last_author(tx: Tx, installation_id: int, targets: Collection[str]) -> str:
    since = await tx.now() - LATELY
    found = [
        each
        for target in targets
        for each in await write_history.recent_authors(
            tx, installation_id, target, CHANGING, since, 1
        )
    ]
    return max(found, key=lambda each: each["queued_at"])["author"] if found else BOT
