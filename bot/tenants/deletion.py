"""Deletes all data of an account, at once and not after the grace period."""

from collections.abc import Mapping

from bot.identity.actors import OPERATOR
from store import retention
from store.audit import records
from store.audit.records import NO_INSTALLATION
from store.engine.transaction import Store, Tx
from store.tenants import holdings

BATCH = 500


async def counts(tx: Tx, installation_id: int) -> dict[str, int]:
    """How many rows each table has of the installation."""
    found: Mapping[str, int] = {
        name: await holdings.rows_of(tx, name, installation_id) for name in holdings.tables()
    }
    return {name: n for name, n in found.items() if n}


async def delete(store: Store, installation_id: int, account: str) -> int:
    """Delete in batches, and return how many rows there were. A repeat goes on after a kill."""
    dropped = 0
    while n := await store.write(
        lambda tx: retention.purge(tx, installation_id, BATCH, removed=True)
    ):
        dropped += n
    if left := await store.read(lambda tx: counts(tx, installation_id)):
        raise AssertionError(f"rows are left in {', '.join(left)}")
    data = {"account": account, "rows": dropped}
    await store.write(
        lambda tx: records.append(
            tx, NO_INSTALLATION, OPERATOR, "tenant.deleted", str(installation_id), data=data
        )
    )
    return dropped
