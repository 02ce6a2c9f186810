"""Replies to commands: those that wait in the outbox, and those that stand on an issue."""

from store.engine import json_text
from store.engine.transaction import Tx
from store.outbox.writes import COUNTED, decode
from store.tables.outbox import WriteRow

# Older replies stay as they are.
MOST = 30


async def append_to_queued(tx: Tx, row: WriteRow, body: str) -> bool:
    """Give a queued reply a new text. Return False if it is not queued any more."""
    arguments = {**row["arguments"], "body": body, "verb": None}
    return bool(
        await tx.run(
            "UPDATE writes SET arguments = :arguments WHERE installation_id = :i AND id = :w "
            "AND state = 'queued'",
            arguments=json_text.text(arguments),
            i=row["installation_id"],
            w=row["id"],
        )
    )


async def newest(tx: Tx, installation_id: int, target: str, author: str) -> list[WriteRow]:
    """The newest comments of an author there that were sent or will be."""
    q = (
        "SELECT * FROM writes WHERE installation_id = :i AND target = :t AND state IN :s "
        "AND kind = 'comment' AND author = :a ORDER BY seq DESC LIMIT :n"
    )
    rows = await tx.all(q, i=installation_id, t=target, s=COUNTED, a=author, n=MOST)
    return [decode(row) for row in rows]


async def hidden_comment_ids(tx: Tx, installation_id: int, target: str) -> set[int]:
    """The comments there that a write minimizes or has minimized."""
    q = (
        "SELECT * FROM writes WHERE installation_id = :i AND target = :t AND state IN :s "
        "AND kind = 'comment_minimize' ORDER BY seq DESC LIMIT :n"
    )
    rows = await tx.all(q, i=installation_id, t=target, s=COUNTED, n=MOST)
    return {decode(row)["arguments"]["comment_id"] for row in rows}
