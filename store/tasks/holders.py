"""The names of those who hold tasks."""

from store.engine.transaction import Tx


async def rename(tx: Tx, installation_id: int, old: str, new: str) -> None:
    """Give the holder of tasks and leases, and who put tasks on hold, another name."""
    given = {"i": installation_id, "old": old, "new": new}
    for column, more in (("holder", ""), ("last_holder", ""), ("held_by", "AND held = 1 ")):
        await tx.run(
            f"UPDATE tasks SET {column} = :new WHERE installation_id = :i {more}"
            f"AND {column} = :old",
            **given,
        )
    q = "UPDATE leases SET holder = :new WHERE installation_id = :i AND holder = :old"
    await tx.run(q, **given)
