"""What a new comment means for a task: it may answer the question that the holder asked."""

from bot.comments import authorship, slash_commands
from bot.identity.actors import TRUSTED
from bot.tasks import lifecycle, publishing
from bot.times import SECOND
from store.engine.transaction import Tx
from store.mirror import stored_issues
from store.outbox import writes
from store.tables.mirror import CommentRow
from store.tables.outbox import WriteRow
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
    if slash_commands.is_for_hubbub(row["body"]):
        return
    queued = await _queued_question(tx, task)
    if queued and not await _is_on_card(tx, task):
        return
    its_author = issue is not None and issue["author_id"] == row["author_id"]
    if its_author or row["author_association"] in TRUSTED:
        task = await tasks.lock(tx, row["installation_id"], task["id"]) or task
        who = f"@{authorship.shown_author(row['author'])}"
        # Events and notices have no mark, so they quote only whom the repository trusts.
        said = row["body"] if row["author_association"] in TRUSTED else ""
        await writes.supersede_these(tx, row["installation_id"], queued)
        await lifecycle.record_answer(tx, task, who, said, row["id"])


async def _queued_question(tx: Tx, task: FullTask) -> list[WriteRow]:
    """The comment with the question, if it still waits in the outbox."""
    target = writes.on_issue(task["repository_id"], task["number"] or 0)
    waiting = await writes.waiting(tx, task["installation_id"], target, "comment")
    return [
        each
        for each in waiting
        if each["state"] == "queued" and each["arguments"].get("question") == task["question"]
    ]


async def _is_on_card(tx: Tx, task: FullTask) -> bool:
    """Whether the card was drawn since the question, so that people may answer it already."""
    target = publishing.card_target(task["id"])
    _, last = await writes.edits(tx, task["installation_id"], target, "card")
    return last is not None and (last["sending_at"] or 0) >= (task["asked_at"] or 0)
