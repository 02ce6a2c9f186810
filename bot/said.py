"""Who said what on an issue lately, by what the mirror and the outbox have of it."""

from bot import markers
from bot.actor import BOT
from bot.ceilings import HOUR, LATELY, RECENT
from store import mirror, writes
from store.transaction import Row, Tx


async def parties(tx: Tx, installation_id: int, where: Row, number: int, target: str) -> list[str]:
    """Who wrote lately, the newest first; empty for a person. The bot's answers are left out."""
    since = await tx.now() - LATELY
    waiting = await writes.waiting(tx, installation_id, target, "comment")
    found = [each["author"] for each in reversed(waiting)]
    rows = await mirror.newest_comments(tx, installation_id, where["id"], number, RECENT)
    for row in reversed([each for each in rows if each["created_at"] >= since]):
        if not row["author"].endswith("[bot]"):
            found.append("")
        elif (write := await _write_of(tx, row)) is None:
            found.append(row["author"])
        elif write["state"] not in writes.LIVE:
            found.append(write["author"])
    return [each for each in found if each != BOT]


async def author(tx: Tx, row: Row) -> str | None:
    """Which of us wrote a mirrored comment; None if it is not ours."""
    write = await _write_of(tx, row)
    made = write["result"] or {} if write else {}
    return write["author"] if write and made.get("comment_id") == row["id"] else None


async def _write_of(tx: Tx, row: Row) -> Row | None:
    write_id = markers.claimed(row["body"], "write")
    return await writes.get(tx, row["installation_id"], write_id) if write_id else None


async def in_the_last_hour(tx: Tx, installation_id: int, target: str, *, of_bot: bool) -> int:
    """How many comments were queued for an issue: by agents, or the bot's own answers."""
    since = await tx.now() - HOUR
    by = await writes.authors_since(tx, installation_id, target, "comment", since)
    return sum(n for name, n in by.items() if (name == BOT) is of_bot)
