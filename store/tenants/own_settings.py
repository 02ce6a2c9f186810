"""What the operator set for single installations."""

from store.engine import json_text, sql
from store.engine.transaction import Tx
from store.tables.tenants import TenantRow

KEY = ("installation_id",)
COLUMNS = (*KEY, "quotas", "caps", "name", "color", "changed_at", "changed_by")


async def rows(tx: Tx) -> list[TenantRow]:
    """Of every installation that has any. A process reads them every few seconds."""
    found = await tx.all("SELECT * FROM tenants ORDER BY installation_id")
    return [_row(each) for each in found]


async def of(tx: Tx, installation_id: int) -> TenantRow | None:
    row = await tx.one("SELECT * FROM tenants WHERE installation_id = :i", i=installation_id)
    return _row(row) if row else None


def _row(row: TenantRow) -> TenantRow:
    return {**row, "quotas": json_text.value(row["quotas"])}


async def put(tx: Tx, row: TenantRow) -> None:
    values = {**row, "quotas": json_text.text(row["quotas"])}
    await tx.run(sql.upsert(tx.dialect, "tenants", COLUMNS, KEY), **values)
