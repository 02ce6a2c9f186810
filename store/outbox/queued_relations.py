"""The writes that will make relations of tasks on GitHub."""

from store.engine.transaction import Tx
from store.outbox.writes import decode
from store.tables.outbox import WriteRow


async def awaited_writes(tx: Tx, installation_id: int) -> list[WriteRow]:
    """Those for which a task waits, in a fixed order."""
    rows = await tx.all(
        "SELECT * FROM writes WHERE installation_id = :i AND id IN "
        "(SELECT write_id FROM planned_relations WHERE installation_id = :i) ORDER BY id",
        i=installation_id,
    )
    return [decode(row) for row in rows]
