"""Looks through the audit log: newest first, with filters, in bounded steps."""

from dataclasses import dataclass

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.audit import AuditRow

# Rows of one actor that a page looks at to find those of one operation.
MOST_LOOKED_AT = 1000


@dataclass(frozen=True)
class Wanted:
    actor: str | None = None
    operation: str | None = None

    @property
    def index(self) -> str:
        return (
            "ix_audit_actor"
            if self.actor
            else "ix_audit_operation"
            if self.operation
            else "PRIMARY"
        )


async def page(
    tx: Tx, installation_id: int, wanted: Wanted, first: int, before: int, limit: int
) -> tuple[list[AuditRow], int | None]:
    """The newest rows with numbers from `first` to below `before`; where the next page begins."""
    by = "actor" if wanted.actor else "operation"
    value = wanted.actor or wanted.operation
    where = f" AND {by} = :value" if value else ""
    looked_at: list[AuditRow] = await tx.all(
        f"SELECT * FROM {sql.by_index(tx.dialect, 'audit', wanted.index)} "
        f"WHERE installation_id = :i{where} AND seq >= :first AND seq < :before "
        "ORDER BY seq DESC LIMIT :n",
        i=installation_id,
        first=first,
        before=before,
        n=MOST_LOOKED_AT if wanted.actor and wanted.operation else limit + 1,
        **({"value": value} if value else {}),
    )
    return _page(looked_at, wanted, limit)


def _page(
    looked_at: list[AuditRow], wanted: Wanted, limit: int
) -> tuple[list[AuditRow], int | None]:
    fitting = [row for row in looked_at if wanted.operation in (None, row["operation"])]
    rows: list[AuditRow] = [
        {**row, "data": json_text.value(row["data"])} for row in fitting[:limit]
    ]
    if len(fitting) > limit:
        return rows, rows[-1]["seq"]
    is_end = len(looked_at) < (MOST_LOOKED_AT if wanted.actor and wanted.operation else limit + 1)
    return rows, None if is_end else looked_at[-1]["seq"]


async def first_at(tx: Tx, installation_id: int, at: int) -> int:
    """The number of the first row at or after a time. It needs no index, as both grow together."""
    low, high = 0, await _newest(tx, installation_id) + 1
    while low < high:
        middle = (low + high) // 2
        row = await tx.one(
            "SELECT seq, at FROM audit WHERE installation_id = :i AND seq >= :middle "
            "ORDER BY seq LIMIT 1",
            i=installation_id,
            middle=middle,
        )
        if row is None or row["at"] >= at:
            high = middle
        else:
            low = row["seq"] + 1
    return low


async def _newest(tx: Tx, installation_id: int) -> int:
    q = "SELECT seq FROM audit WHERE installation_id = :i ORDER BY seq DESC LIMIT 1"
    row = await tx.one(q, i=installation_id)
    return int(row["seq"]) if row else 0
