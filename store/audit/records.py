"""The rows of the audit log. Nothing changes them, and only retention deletes them."""

import hashlib
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from store.engine import json_text, sequences
from store.engine.origins import Origin
from store.engine.transaction import Row, Tx
from store.tables.audit import AuditRow

# Greater than every number of a row.
LAST = 1 << 62
# For what belongs to no installation, such as a refusal of a stranger.
NO_INSTALLATION = 0
Outcome: TypeAlias = Literal["done", "refused"]
# What the hash covers beside the number, in this order.
HASHED = (
    "installation_id",
    "at",
    "actor",
    "operation",
    "subject",
    "data",
    "credential",
    "surface",
    "remote",
    "request",
    "outcome",
    "code",
    "calls",
)


async def append(
    tx: Tx,
    installation_id: int,
    actor: str | None,
    operation: str,
    subject: str = "",
    *,
    outcome: Outcome = "done",
    code: str = "",
    calls: int = 1,
    data: Row | None = None,
    origin: Origin | None = None,
) -> None:
    """Append a row in this transaction. `origin`: if it is not that of the transaction.

    Without an `actor` it is that of the origin. `data` must hold no secret, and no text that
    somebody wrote.
    """
    where = tx.origin if origin is None else origin
    row: dict[str, Any] = {
        "at": await tx.now(),
        "actor": (where.actor if actor is None else actor)[:120],
        "operation": operation[:60],
        "subject": subject[:120],
        "data": json_text.text(data or {}),
        "credential": where.credential[:64],
        "surface": where.surface,
        "remote": where.remote[:64],
        "request": where.request[:120],
        "outcome": outcome,
        "code": code,
        "calls": calls,
    }
    row["hash"] = _content_hash({"installation_id": installation_id, **row})
    sequences.append(tx, "audit", installation_id, row, hashed="hash")


def _content_hash(row: Row) -> str:
    content = json_text.text([row[name] for name in HASHED])
    return hashlib.sha256(content.encode()).hexdigest()


def hash_of(row: AuditRow) -> str:
    """The hash that the row must have."""
    return sequences.hash_of(_content_hash(row), row["seq"])


def is_intact(row: AuditRow) -> bool:
    """Whether the row has its hash. Rows from before there were hashes have none."""
    return row["hash"] == (hash_of(row) if row["outcome"] else "")


async def page(
    tx: Tx, installation_id: int, after: int, up_to: int, limit: int
) -> Sequence[AuditRow]:
    """Rows with a number above `after`, up to a number, the oldest first."""
    found: Sequence[AuditRow] = await tx.all(
        "SELECT * FROM audit WHERE installation_id = :i AND seq > :after AND seq <= :up_to "
        "ORDER BY seq LIMIT :n",
        i=installation_id,
        after=after,
        up_to=up_to,
        n=limit,
    )
    return found


async def newest_at(tx: Tx, installation_id: int, after: int, up_to: int) -> int:
    """When the newest of these rows was written; 0 if there is none."""
    row = await tx.one(
        "SELECT MAX(at) AS at FROM audit WHERE installation_id = :i AND seq > :after "
        "AND seq <= :up_to",
        i=installation_id,
        after=after,
        up_to=up_to,
    )
    return int(row["at"] or 0) if row else 0


async def drop(tx: Tx, installation_id: int, up_to: int) -> int:
    """Delete the rows up to a number. Only retention calls this, for the rows of one seal."""
    q = "DELETE FROM audit WHERE installation_id = :i AND seq <= :up_to"
    return await tx.run(q, i=installation_id, up_to=up_to)
