"""Who commented on an issue recently, according to the mirror and the outbox."""

from bot.comments import authorship, markers
from bot.comments.limits import HOUR, LATELY, RECENT
from bot.identity.actors import BOT
from store.engine.transaction import Tx
from store.mirror import stored_issues
from store.mirror.stored_issues import ThreadText
from store.outbox import write_history, writes
from store.tables.mirror import CommentRow, RepositoryRow
from store.tables.outbox import WriteRow

# The kinds of write that add a comment.
COMMENTING = ("comment", "reply", "review", "review_reply")


async def parties(
    tx: Tx, installation_id: int, where: RepositoryRow, number: int, target: str
) -> list[str]:
    """The recent authors, newest first, without the bot. A person is an empty string."""
    since = await tx.now() - LATELY
    here = (tx, installation_id)
    ours = await write_history.recent_authors(*here, target, COMMENTING, since, RECENT)
    authors = [(each["queued_at"], each["author"]) for each in ours]
    bot = await authorship.bot_id(tx)
    for row in await stored_issues.newest_comments(*here, where["id"], number, RECENT):
        if row["created_at"] >= since and not _is_of_a_write(row, bot):
            person = not authorship.is_bot(row["author"])
            authors.append((row["created_at"], "" if person else row["author"]))
    return [who for _, who in sorted(authors, reverse=True) if who != BOT]


def _is_of_a_write(row: ThreadText, bot: int | None) -> bool:
    ours = authorship.is_ours(row["author"], row["author_id"], bot)
    return ours and markers.unverified_id(row["body"], "write") is not None


async def origin(tx: Tx, row: CommentRow) -> WriteRow | None:
    """The write that made a mirrored comment; None if Hubbub did not write it."""
    write = await write_named_in(tx, row)
    made = write["result"] or {} if write else {}
    return write if made.get("comment_id") == row["id"] else None


async def write_named_in(tx: Tx, row: CommentRow) -> WriteRow | None:
    """The write that the comment's marker names. Only our bot's comments can be trusted."""
    write_id = markers.unverified_id(row["body"], "write")
    return await writes.get(tx, row["installation_id"], write_id) if write_id else None


async def comments_last_hour(tx: Tx, installation_id: int, target: str) -> dict[str, int]:
    """How many comments each agent wrote on an issue, without the bot."""
    since = await tx.now() - HOUR
    by = await write_history.counts_by_author(tx, installation_id, target, COMMENTING, since)
    return {name: n for name, n in by.items() if name != BOT}


async def bot_answers_last_hour(tx: Tx, installation_id: int, target: str) -> int:
    """How many comments the bot wrote on an issue."""
    by = await write_history.counts_by_author(
        tx, installation_id, target, COMMENTING, await tx.now() - HOUR
    )
    return by.get(BOT, 0)
