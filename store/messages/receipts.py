"""Each recipient's receipt of a message.

A receipt is pending, delivered (the reader got it, but has not marked it as read), read, dead or
deleted. An unread receipt becomes dead at `expires_at`. Handing a message out moves that time at
least to the end of its visibility time-out. After the last hand-out the receipt becomes dead at
that end.
"""

from collections.abc import Sequence
from typing import TypedDict

from store.engine.transaction import Tx
from store.tables.messages import ReceiptState

COLUMNS = (
    "installation_id",
    "agent_id",
    "message_id",
    "state",
    "priority",
    "seq",
    "expires_at",
)
UNREAD = "state IN ('pending', 'delivered') AND (expires_at IS NULL OR expires_at > :now)"
# More names than this at once make a statement too long.
NAMES = 1000


class Reader(TypedDict):
    """The state of a message for one reader."""

    agent_id: str
    state: ReceiptState
    dead_why: str | None
    read_at: int | None


class PlacedReader(Reader):
    """`place` counts the readers of that message."""

    message_id: str
    place: int


async def of(tx: Tx, installation_id: int, ids: Sequence[str], most: int) -> list[PlacedReader]:
    """At most `most` receipts of each message: dead ones first, read ones last."""
    return await tx.all(
        "SELECT * FROM (SELECT message_id, agent_id, state, dead_why, read_at, "
        "ROW_NUMBER() OVER (PARTITION BY message_id ORDER BY CASE state WHEN 'dead' THEN 0 "
        "WHEN 'read' THEN 2 ELSE 1 END, agent_id) AS place FROM receipts WHERE "
        "installation_id = :i AND message_id IN :ids) q WHERE place <= :most "
        "ORDER BY message_id, place",
        i=installation_id,
        ids=list(ids),
        most=most,
    )


async def read_by(tx: Tx, installation_id: int, message_id: str, limit: int) -> list[str]:
    rows = await tx.all(
        "SELECT agent_id FROM receipts WHERE installation_id = :i AND message_id = :m "
        "AND read_at IS NOT NULL ORDER BY agent_id LIMIT :n",
        i=installation_id,
        m=message_id,
        n=limit,
    )
    return [row["agent_id"] for row in rows]


async def waiting(tx: Tx, installation_id: int, message_id: str) -> list[str]:
    """The agents that have not read the message."""
    rows = await tx.all(
        "SELECT agent_id FROM receipts WHERE installation_id = :i AND message_id = :m "
        "AND state IN ('pending', 'delivered') ORDER BY agent_id",
        i=installation_id,
        m=message_id,
    )
    return [row["agent_id"] for row in rows]


async def participating(
    tx: Tx, installation_id: int, message_ids: Sequence[str], who: str
) -> list[str]:
    """Those of the messages that `who` sent or got, without those that were withdrawn."""
    rows = await tx.all(
        "SELECT m.id FROM messages m LEFT JOIN receipts r "
        "ON r.installation_id = m.installation_id AND r.agent_id = :who AND r.message_id = m.id "
        "WHERE m.installation_id = :i AND m.id IN :ids AND m.deleted_at IS NULL "
        "AND (m.sender = :who OR r.message_id IS NOT NULL)",
        i=installation_id,
        ids=tuple(message_ids),
        who=who,
    )
    return [row["id"] for row in rows]
