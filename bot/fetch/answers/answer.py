"""The answer to a read, and the rows in it."""

from collections.abc import Awaitable, Callable, Sized
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import structlog

from bot.github.payloads import Json, Malformed, Mirrored
from bot.identity.keyring import Keys
from bot.mirror import reads, writer
from bot.mirror.changes import Changes
from bot.times import SECOND
from store.engine.transaction import Tx
from store.fetch import pending_reads

log = structlog.get_logger()

# GitHub must say twice that something is not there, this long apart: a replica may lag behind.
BETWEEN_LOOKS = 60 * SECOND


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


# What identifies a row in a list: GitHub's id, or the name of a branch.
Id = TypeVar("Id", int, str)


async def twice_lacking(tx: Tx, reading: Reading, read: reads.Read, lacking: set[Id]) -> set[Id]:
    """The rows that a complete list lacks, and that an earlier list lacked too.

    For the others, queue the read of the list once more.
    """
    earlier = set(reading.arguments.get("lacked", ()))
    since = reading.arguments.get("lacked_since", reading.read_at)
    is_second = reading.read_at - since >= BETWEEN_LOOKS
    confirmed = lacking & earlier if is_second else set[Id]()
    if doubtful := lacking - confirmed:
        if is_second or not doubtful <= earlier:
            since = reading.read_at
        await pending_reads.ask(
            tx,
            reading.installation_id,
            read.kind,
            read.subject,
            {**read.arguments, "lacked": sorted(doubtful), "lacked_since": since},
            priority=read.priority,
            not_before=since + BETWEEN_LOOKS,
        )
    return confirmed


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
