"""Finds changes of other processes cheaply, by the last number of each installation."""

from collections.abc import Sequence
from dataclasses import dataclass

from store.engine import sequences
from store.engine.transaction import Tx


@dataclass
class Watch:
    """Remembers what one reader saw last."""

    # SQLite's count of the commits that this connection did not make.
    version: int | None = None
    watched: frozenset[int] = frozenset()

    async def look(self, tx: Tx, installation_ids: Sequence[int]) -> dict[int, int]:
        """The last numbers of these installations; empty if nothing was committed since."""
        if tx.dialect == "sqlite":
            (row,) = await tx.all("PRAGMA data_version")
            version, watched = int(row["data_version"]), frozenset(installation_ids)
            if version == self.version and watched <= self.watched:
                return {}
            self.version, self.watched = version, watched
        return await sequences.of(tx, installation_ids)


async def live_keys(tx: Tx, key_ids: Sequence[str]) -> set[str]:
    """The keys that are not revoked."""
    q = "SELECT id FROM agent_keys WHERE id IN :ids AND revoked_at IS NULL"
    return {row["id"] for row in await tx.all(q, ids=tuple(key_ids))}
