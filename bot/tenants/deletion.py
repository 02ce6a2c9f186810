"""Deletes all data of an account, at once and not after the grace period."""

from collections.abc import Mapping

from bot.identity.actors import OPERATOR
from store import retention
from store.audit import records
from store.audit.records import NO_INSTALLATION
from store.engine.transaction import Store, Tx
from store.tenants import holdings

BATCH = 500
# How often it starts from the beginning, because something was written for the account meanwhile.
ROUNDS = 5


async def counts(tx: Tx, installation_id: int) -> dict[str, int]:
    """How many rows each table has of the installation."""
    found: Mapping[str, int] = {
        name: await holdings.rows_of(tx, name, installation_id) for name in holdings.tables()
    }
    return {name: n for name, n in found.items() if n}


class RowsLeft(Exception):
    """Rows of the account are still there; the text says why."""


async def delete(store: Store, installation_id: int, account: str) -> int:
    """Delete in batches, and return how many rows there were. A repeat goes on after a kill.

    Raise RowsLeft if others write for the account faster than this deletes.
    """
    dropped = 0
    for _ in range(ROUNDS):
        while n := await store.write(
            lambda tx: retention.purge(tx, installation_id, BATCH, removed=True)
        ):
            dropped += n
        left = await store.read(lambda tx: counts(tx, installation_id))
        if not left:
            break
    else:
        raise RowsLeft(
            f"{dropped} rows of {account} are deleted, but there are new ones in "
            f"{', '.join(left)}: a server still works for it. Run the command again."
        )
    data = {"account": account, "rows": dropped}
    await store.write(
        lambda tx: records.append(
            tx, NO_INSTALLATION, OPERATOR, "tenant.deleted", str(installation_id), data=data
        )
    )
    return dropped
