"""Tells the holder of a task that somebody else pushed to its branch."""

from bot.comments import authorship
from bot.mirror.activity import RECENT
from bot.mirror.changes import Branch
from bot.tasks import task_events
from store.engine.transaction import Tx
from store.tables.outbox import WriteRow
from store.tasks import task_branches


async def append_push(tx: Tx, installation_id: int, branch: Branch) -> None:
    """For a push that GitHub reports. Those of Hubbub are reported when their write took effect."""
    if branch.sha is None or branch.pushed_at <= await tx.now() - RECENT:
        return
    if authorship.is_ours(branch.by, branch.by_id, await authorship.bot_id(tx)):
        return
    is_person = not authorship.is_bot(branch.by)
    actor = f"@{authorship.shown_author(branch.by)}" if is_person else branch.by
    here = (tx, installation_id, branch.repository_id)
    await _append_pushed(*here, branch.name, branch.sha, actor)


async def append_commit(tx: Tx, write: WriteRow, head: str) -> None:
    """For a commit through Hubbub. Its webhook is by the App, so it reports nothing."""
    here = (tx, write["installation_id"], write["repository_id"])
    await _append_pushed(*here, write["arguments"]["branch"], head, write["author"])


async def _append_pushed(
    tx: Tx, installation_id: int, repository_id: int, branch: str, head: str, actor: str
) -> None:
    data = {"branch": branch, "head": head}
    for task in await task_branches.open_tasks(tx, installation_id, repository_id, branch):
        if task["holder"] not in (None, actor):
            await task_events.append(tx, task, "task.pushed", actor, data)
