"""Deletes the second of two comments that one write made; a late webhook reveals it."""

import structlog

from bot.comments import authorship, history
from bot.identity.actors import BOT
from store.engine.transaction import Tx
from store.outbox import writes
from store.tables.mirror import CommentRow
from store.tables.outbox import WriteRow

log = structlog.get_logger()


async def delete_second(tx: Tx, row: CommentRow, before: CommentRow | None) -> None:
    """Queue the deletion of a new comment if its write already made another one there."""
    if before is not None or row["deleted"] or not authorship.is_bot(row["author"]):
        return
    bot = await authorship.bot_id(tx)
    # Nothing is deleted while the bot's id is unknown: the comment may be another App's.
    if bot is None or not authorship.is_ours(row["author"], row["author_id"], bot):
        return
    write = await history.write_named_in(tx, row)
    if write is None or not _has_another_comment(write, row):
        return
    log.warning("one write made two comments", write=write["id"], comment=row["id"])
    await writes.queue(
        tx,
        row["installation_id"],
        kind="comment_delete",
        repository_id=row["repository_id"],
        target=write["target"],
        arguments={"number": row["number"], "comment_id": row["id"]},
        author=BOT,
        lane=writes.PEOPLE,
    )


def _has_another_comment(write: WriteRow, row: CommentRow) -> bool:
    """Whether the write made another comment on this issue.

    Comments that move with an issue to another repository get new ids, so they do not count.
    """
    here = (write["repository_id"], write["arguments"].get("number"))
    made = (write["result"] or {}).get("comment_id")
    return (
        write["kind"] in ("comment", "reply", "card")
        and here == (row["repository_id"], row["number"])
        and made not in (None, row["id"])
    )
