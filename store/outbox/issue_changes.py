"""The writes that change an issue, such as its state: queued, under way, or sent."""

from collections.abc import Collection
from typing import Any

from store.engine import json_text, sequences
from store.engine.transaction import Tx
from store.outbox.writes import LIVE, decode, queued_in
from store.tables.outbox import WriteRow

KIND = "issue_update"
# The arguments that change the state, and those that a write of nothing else has too.
STATE = ("state", "state_reason")
STATE_ONLY = {"number", *STATE}
# Older writes to an issue matter no more.
MOST = 50


async def state_changes(tx: Tx, installation_id: int, target: str) -> list[WriteRow]:
    """The writes to this issue that change its state and took effect or may do so, newest first."""
    return await changes(tx, installation_id, target, "state")


async def changes(tx: Tx, installation_id: int, target: str, argument: str) -> list[WriteRow]:
    """The same for any field of an issue."""
    rows = await tx.all(
        "SELECT * FROM writes WHERE installation_id = :i AND target = :t AND state IN :s "
        "AND kind = :k ORDER BY seq DESC LIMIT :n",
        i=installation_id,
        t=target,
        s=(*LIVE, "sent", "dead"),
        k=KIND,
        n=MOST,
    )
    pending = [each for each in queued_in(tx, installation_id) if each["target"] == target]
    found = [*reversed(pending), *(decode(row) for row in rows)]
    return [each for each in found if each["kind"] == KIND and each["arguments"].get(argument)]


async def withdraw_state(tx: Tx, rows: Collection[WriteRow]) -> None:
    """Take the change of the state out of queued writes. One without others is superseded."""
    for row in rows:
        others = {k: v for k, v in row["arguments"].items() if k not in STATE}
        if row["seq"] >= sequences.UNNUMBERED:
            _withdraw_pending(tx, row, others)
        elif row["arguments"].keys() <= STATE_ONLY:
            await _set(tx, row, "state = 'superseded', finished_at = :v", await tx.now())
        else:
            await _set(tx, row, "arguments = :v", json_text.text(others))


def _withdraw_pending(tx: Tx, row: WriteRow, others: dict[str, Any]) -> None:
    """The same for a write that this transaction has queued."""
    if row["arguments"].keys() <= STATE_ONLY:
        sequences.withdraw(tx, "writes", row["installation_id"], {row["id"]})
        return
    changed = {"arguments": json_text.text(others)}
    sequences.change(tx, "writes", row["installation_id"], row["id"], changed)


async def _set(tx: Tx, row: WriteRow, change: str, value: int | str) -> None:
    await tx.run(
        f"UPDATE writes SET {change} WHERE installation_id = :i AND id = :w AND state = 'queued'",
        v=value,
        i=row["installation_id"],
        w=row["id"],
    )
