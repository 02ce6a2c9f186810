"""A read with its answer, and how rows come of it."""

from collections.abc import Awaitable, Callable, Sized
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from bot.github.payloads import Json, Malformed, Mirrored
from bot.identity.keyring import Keys
from bot.mirror import reads, writer
from bot.mirror.changes import Changes
from store.engine.transaction import Row, Tx

log = structlog.get_logger()


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

    def complete(self, found: Sized) -> bool:
        """Whether what these lack is gone: the list is whole, and all in it made sense."""
        return self.whole and len(found) == len(self.listed)


def made(reading: Reading, make: Callable[[Json], Mirrored]) -> list[Mirrored]:
    """A row of each thing in the list; one that makes no sense is left out."""
    found = []
    for each in reading.listed:
        try:
            found.append(make(each))
        except Malformed as exc:
            log.warning("left out of a list", why=str(exc), arguments=reading.arguments)
    return found


Apply: TypeAlias = Callable[[Tx, Keys, Reading], Awaitable[None]]


def rows(make: Callable[[Reading], list[Mirrored]]) -> Apply:
    """Apply an answer that is nothing but rows."""

    async def apply(tx: Tx, keys: Keys, reading: Reading) -> None:
        await put(tx, keys, reading, make(reading))

    return apply


async def put(
    tx: Tx, keys: Keys, reading: Reading, found: list[Mirrored], wanted: tuple[reads.Read, ...] = ()
) -> None:
    changes = Changes(tuple(found), reads=wanted)
    await writer.apply(tx, keys, reading.installation_id, changes)
