"""A comment that an agent writes twice in a row is one comment."""

from bot.comments import authorship
from bot.kernel.operation import Context
from bot.operations.github import clean_texts
from bot.operations.github.targets import on_issue
from bot.times import SECOND
from store.mirror import mirror_rows, stored_issues
from store.outbox import writes
from store.tables.mirror import RepositoryRow
from store.tables.outbox import WriteRow

HOUR = 3600 * SECOND


async def before(ctx: Context, where: RepositoryRow, number: int, body: str) -> WriteRow | None:
    """The write of the same comment by the same agent, if it is the last one here this hour."""
    if ctx.actor.is_person:
        return None
    last = await writes.newest(ctx.tx, ctx.installation_id, on_issue(where, number), "comment")
    if last is None or last["author"] != ctx.actor.name or last["queued_at"] < ctx.now - HOUR:
        return None
    given, _ = await clean_texts.clean(ctx, where, {"number": number, "body": body})
    if last["arguments"].get("body") != given["body"] or await _is_answered(ctx, last):
        return None
    return last


async def _is_answered(ctx: Context, last: WriteRow) -> bool:
    """Whether its comment was changed or deleted, or somebody else has written after it."""
    here, said = (ctx.tx, ctx.installation_id), last["arguments"]["body"].strip()
    comment_id = (last["result"] or {}).get("comment_id")
    if comment_id is not None:
        row = await stored_issues.comment(*here, comment_id)
        edited = row is not None and not row["body"].strip().endswith(said)
        if edited or await mirror_rows.is_deleted(ctx.tx, "comments", here[1], comment_id):
            return True
    number = last["arguments"]["number"]
    newest = await stored_issues.newest_comments(*here, last["repository_id"], number, 5)
    return any(
        each["created_at"] + SECOND > last["queued_at"] and not authorship.is_bot(each["author"])
        for each in newest
    )
