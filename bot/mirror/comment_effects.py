"""What a new comment means for a task: it may answer the question that the holder asked."""

from bot.comments import authorship, slash_commands
from bot.identity.actors import TRUSTED
from bot.tasks import lifecycle
from bot.times import SECOND
from store.engine.transaction import Tx
from store.mirror import stored_issues
from store.outbox import writes
from store.tables.mirror import CommentRow
from store.tasks import tasks
from store.tasks.tasks import FullTask


async def answer_question(tx: Tx, row: CommentRow, before: CommentRow | None) -> None:
    """End the wait for an answer when the issue's author or a member of the repository comments."""
    if before is not None or row["deleted"] or authorship.is_bot(row["author"]):
        return
    here = (tx, row["installation_id"], row["repository_id"], row["number"])
    task = await tasks.by_number(*here)
    # GitHub's times are whole seconds.
    if task is None or not task["question"] or row["created_at"] + SECOND < (task["asked_at"] or 0):
        return
    issue = await stored_issues.issue(*here)
    if slash_commands.is_for_hubbub(row["body"]) or await _is_unposted(tx, task):
        return
    its_author = issue is not None and issue["author_id"] == row["author_id"]
    if its_author or row["author_association"] in TRUSTED:
        task = await tasks.lock(tx, row["installation_id"], task["id"]) or task
        who = f"@{authorship.shown_author(row['author'])}"
        # Events and notices have no mark, so they quote only whom the repository trusts.
        said = row["body"] if row["author_association"] in TRUSTED else ""
        await lifecycle.record_answer(tx, task, who, said, row["id"])


async def _is_unposted(tx: Tx, task: FullTask) -> bool:
    """Whether the comment with the question still waits in the outbox."""
    target = writes.on_issue(task["repository_id"], task["number"] or 0)
    waiting = await writes.waiting(tx, task["installation_id"], target, "comment")
    return any(
        each["state"] == "queued" and each["arguments"].get("question") == task["question"]
        for each in waiting
    )
