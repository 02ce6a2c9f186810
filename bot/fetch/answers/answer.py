"""The answer to a read, and the rows in it."""

from collections.abc import Awaitable, Callable, Sized
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from bot.github.payloads import Json, Malformed, Mirrored
from bot.identity.keyring import Keys
from bot.mirror import reads, writer
from bot.mirror.changes import Changes
from store.engine.transaction import Tx

log = structlog.get_logger()


@dataclass(frozen=True)
class Reading:
    """The answer to a read. `read_at` is when Hubbub sent the request, in microseconds."""

    installation_id: int
    arguments: reads.Arguments
    data: Json
    read_at: int
    # Whether a list was read to its end. Only then is a row deleted that the list lacks.
    whole: bool = True

    @property
    def here(self) -> tuple[int, int]:
        return self.installation_id, self.arguments["repository_id"]

    @property
    def entries(self) -> list[Json]:
        return self.data if isinstance(self.data, list) else []

    def is_complete(self, found: Sized) -> bool:
        """Whether a row that `found` lacks is deleted: the list is complete and all of it valid."""
        return self.whole and len(found) == len(self.entries)


def valid_rows(reading: Reading, make: Callable[[Json], Mirrored]) -> list[Mirrored]:
    """The rows of a list. Malformed entries are left out and logged."""
    found = []
    for each in reading.entries:
        try:
            found.append(make(each))
        except Malformed as exc:
            log.warning(
                "malformed entry left out of a list", why=str(exc), arguments=reading.arguments
            )
    return found


Apply: TypeAlias = Callable[[Tx, Keys, Reading], Awaitable[None]]


def rows(make: Callable[[Reading], list[Mirrored]]) -> Apply:
    """Makes the function that applies an answer that consists of rows."""

    async def apply(tx: Tx, keys: Keys, reading: Reading) -> None:
        await put(tx, keys, reading, make(reading))

    return apply


async def put(
    tx: Tx, keys: Keys, reading: Reading, found: list[Mirrored], wanted: tuple[reads.Read, ...] = ()
) -> None:
    changes = Changes(tuple(found), reads=wanted)
    await writer.apply(tx, keys, reading.installation_id, changes)
