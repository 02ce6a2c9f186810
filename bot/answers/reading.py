"""A read with its answer, and how rows come of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from bot import mirror
from bot.events.event import Ask, Changes
from bot.keys import Keys
from bot.payloads import Json, Mirrored
from store.transaction import Row, Tx


@dataclass(frozen=True)
class Reading:
    """`read_at`: when the request went out, microseconds."""

    installation_id: int
    arguments: Row
    data: Json
    read_at: int
    # Whether a list was read to its end: what it lacks is gone only then.
    whole: bool = True

    @property
    def here(self) -> tuple[int, int]:
        return self.installation_id, self.arguments["repository_id"]

    @property
    def listed(self) -> list[Json]:
        return self.data if isinstance(self.data, list) else []


Apply: TypeAlias = Callable[[Tx, Keys, Reading], Awaitable[None]]


def rows(make: Callable[[Reading], list[Mirrored]]) -> Apply:
    """Apply an answer that is nothing but rows."""

    async def apply(tx: Tx, keys: Keys, reading: Reading) -> None:
        await put(tx, keys, reading, make(reading))

    return apply


async def put(
    tx: Tx, keys: Keys, reading: Reading, found: list[Mirrored], asks: tuple[Ask, ...] = ()
) -> None:
    changes = Changes(tuple(found), asks=asks)
    await mirror.apply(tx, keys, reading.installation_id, changes)
