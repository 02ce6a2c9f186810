"""What the operator set for each flag, and what Hubbub turned off itself."""

from store.engine import sql
from store.engine.transaction import Tx
from store.tables.flags import FeatureFlagRow, FlagState

# The installation id of what is set for all installations without a row of their own.
EVERYWHERE = 0
# Rows of one flag per canary: many more would be a percentage.
MOST = 10_000
KEY = ("installation_id", "name")
COLUMNS = (*KEY, "state", "percentage", "changed_at", "changed_by", "why")


async def rows(tx: Tx) -> list[FeatureFlagRow]:
    """What is set, for all flags and installations."""
    return await tx.all(
        "SELECT * FROM feature_flags ORDER BY installation_id, name LIMIT :n", n=MOST
    )


async def fallen_back(tx: Tx, installation_id: int) -> list[FeatureFlagRow]:
    """The flags that Hubbub turned off, as they concern this installation."""
    return await tx.all(
        "SELECT * FROM feature_flags WHERE installation_id IN :here AND state = 'fallen_back' "
        "ORDER BY name, installation_id",
        here=(EVERYWHERE, installation_id),
    )


async def put(
    tx: Tx, installation_id: int, name: str, state: FlagState, percentage: int, by: str, why: str
) -> None:
    await tx.run(
        sql.upsert(tx.dialect, "feature_flags", COLUMNS, KEY),
        installation_id=installation_id,
        name=name,
        state=state,
        percentage=percentage,
        changed_at=await tx.now(),
        changed_by=by[:120],
        why=why[:255],
    )


async def remove(tx: Tx, installation_id: int, name: str) -> bool:
    q = "DELETE FROM feature_flags WHERE installation_id = :i AND name = :name"
    return bool(await tx.run(q, i=installation_id, name=name))


async def mark_fallen_back(tx: Tx, row: FeatureFlagRow, by: str, why: str) -> bool:
    """Turn one row off. False if somebody changed it since it was read."""
    return bool(
        await tx.run(
            "UPDATE feature_flags SET state = 'fallen_back', changed_at = :now, changed_by = :by, "
            "why = :why WHERE installation_id = :i AND name = :name AND state = 'on' "
            "AND changed_at = :seen",
            now=await tx.now(),
            by=by,
            why=why[:255],
            i=row["installation_id"],
            name=row["name"],
            seen=row["changed_at"],
        )
    )
