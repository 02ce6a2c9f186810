"""Replies to commands and reactions to them: those that wait, and those that stand on an issue."""

from collections.abc import Sequence

from store.engine import json_text
from store.engine.transaction import Tx
from store.outbox.writes import COUNTED, decode, queued_in
from store.tables.outbox import WriteRow

# Older replies stay as they are.
MOST = 30
# The kind of a reply; older versions posted replies as comments.
KINDS = ("reply", "comment")


async def newest(tx: Tx, installation_id: int, target: str, author: str) -> list[WriteRow]:
    """The newest replies and comments of an author there that were sent or will be."""
    q = (
        "SELECT * FROM writes WHERE installation_id = :i AND target = :t AND state IN :s "
        "AND kind IN :k AND author = :a ORDER BY seq DESC LIMIT :n"
    )
    rows = await tx.all(q, i=installation_id, t=target, s=COUNTED, k=KINDS, a=author, n=MOST)
    return [decode(row) for row in rows]


def to_source(rows: Sequence[WriteRow], source: str) -> list[WriteRow]:
    """Those of the replies that answer commands in one text."""
    return [each for each in rows if each["arguments"].get("answers") == source]


async def comment_of(tx: Tx, write: WriteRow) -> int | None:
    """The comment that shows the reply which this write changes; None if there is none yet."""
    rows = await newest(tx, write["installation_id"], write["target"], write["author"])
    same = to_source(rows, write["arguments"]["answers"])
    ids = ((each["result"] or {}).get("comment_id") for each in same if each["state"] == "sent")
    found: int | None = next((each for each in ids if each is not None), None)
    return found


async def on_source(
    tx: Tx, installation_id: int, target: str, kinds: Sequence[str]
) -> list[WriteRow]:
    """The writes of these kinds to a target that were sent or will be, the oldest first."""
    q = (
        "SELECT * FROM writes WHERE installation_id = :i AND target = :t AND state IN :s "
        "AND kind IN :k ORDER BY seq DESC LIMIT :n"
    )
    rows = await tx.all(q, i=installation_id, t=target, s=COUNTED, k=tuple(kinds), n=MOST)
    stored = [decode(row) for row in reversed(rows)]
    pending = queued_in(tx, installation_id)
    return stored + [row for row in pending if row["target"] == target and row["kind"] in kinds]


async def hidden_comment_ids(tx: Tx, installation_id: int, target: str) -> set[int]:
    """The comments there that a write minimizes or has minimized."""
    q = (
        "SELECT arguments FROM writes WHERE installation_id = :i AND target = :t AND state IN :s "
        "AND kind = 'comment_minimize' ORDER BY seq DESC LIMIT :n"
    )
    rows = await tx.all(q, i=installation_id, t=target, s=COUNTED, n=MOST)
    return {json_text.value(row["arguments"])["comment_id"] for row in rows}
