"""Who said what on an issue lately, by what the mirror and the outbox have of it."""

from bot.comments import markers
from bot.comments.limits import HOUR, LATELY, RECENT
from bot.identity.actors import BOT
from store.engine.transaction import Row, Tx
from store.mirror import mirror_rows
from store.outbox import writes

# The kinds by which something is said.
SPEAKING = ("comment", "review", "review_reply")


async def parties(tx: Tx, installation_id: int, where: Row, number: int, target: str) -> list[str]:
    """Who wrote lately, the newest first; empty for a person. The bot's answers are left out."""
    since = await tx.now() - LATELY
    here = (tx, installation_id)
    ours = await writes.spoken_since(*here, target, SPEAKING, since, RECENT)
    spoken = [(each["queued_at"], each["author"]) for each in ours]
    for row in await mirror_rows.newest_comments(*here, where["id"], number, RECENT):
        if row["created_at"] >= since and markers.claimed(row["body"], "write") is None:
            person = not row["author"].endswith("[bot]")
            spoken.append((row["created_at"], "" if person else row["author"]))
    return [who for _, who in sorted(spoken, reverse=True) if who != BOT]


async def origin(tx: Tx, row: Row) -> Row | None:
    """The write that made a mirrored comment; None if it is not ours."""
    write = await _write_of(tx, row)
    made = write["result"] or {} if write else {}
    return write if made.get("comment_id") == row["id"] else None


async def _write_of(tx: Tx, row: Row) -> Row | None:
    write_id = markers.claimed(row["body"], "write")
    return await writes.get(tx, row["installation_id"], write_id) if write_id else None


async def in_the_last_hour(tx: Tx, installation_id: int, target: str) -> dict[str, int]:
    """How often each agent spoke on an issue; the bot's own answers are left out."""
    since = await tx.now() - HOUR
    by = await writes.authors_since(tx, installation_id, target, SPEAKING, since)
    return {name: n for name, n in by.items() if name != BOT}


async def answers_in_the_last_hour(tx: Tx, installation_id: int, target: str) -> int:
    """How often the bot answered there."""
    by = await writes.authors_since(tx, installation_id, target, SPEAKING, await tx.now() - HOUR)
    return by.get(BOT, 0)
