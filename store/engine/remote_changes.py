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
