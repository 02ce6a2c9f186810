"""Seals the new rows of the audit log, installation by installation."""

import structlog

from bot.audit import seals
from bot.identity.keyring import Keys
from bot.times import SECOND
from store.audit import records
from store.audit import seals as stored_seals
from store.audit.seals import Unsealed
from store.engine.transaction import Store, Tx
from store.tables.audit import AuditSealRow

log = structlog.get_logger()

# A seal waits until a row is this old, so that it covers several.
OLDEST = 60 * SECOND
# Rows of one seal. Its transaction is short, and its marks take 8 KB.
BATCH = 1000


async def step(store: Store, keys: Keys, oldest: int = OLDEST) -> int:
    """Seal what is due. Return how many seals were added; call again while it is > 0."""
    due = await store.read(lambda tx: _find_due(tx, oldest))
    made = 0
    for each in due:
        seal = await store.write(lambda tx, each=each: _seal(tx, keys, each))  # type: ignore[misc]
        if seal is not None:
            made += 1
            _report(seal)
    return made


async def _find_due(tx: Tx, oldest: int) -> list[Unsealed]:
    """Installations whose first row without a seal is old enough."""
    before, due = await tx.now() - oldest, []
    for each in await stored_seals.unsealed_numbers(tx):
        here = (tx, each["installation_id"], each["sealed"] or 0, each["head"])
        first = await records.page(*here, limit=1)
        if first and first[0]["at"] < before:
            due.append(each)
    return due


async def _seal(tx: Tx, keys: Keys, which: Unsealed) -> AuditSealRow | None:
    """Add the next seal. None if another process did so in the meantime."""
    i, head = which["installation_id"], which["head"]
    last = await stored_seals.last(tx, i)
    after = last["to_seq"] if last else 0
    rows = await records.page(tx, i, after, head, BATCH)
    if not rows:
        return None
    hashes = [seals.hash_to_seal(each, records.hash_of(each)) for each in rows]
    to_seq = head if len(rows) < BATCH else rows[-1]["seq"]
    seal = seals.make(keys, i, last, hashes, to_seq, await tx.now())
    return seal if await stored_seals.add(tx, seal) else None


def _report(seal: AuditSealRow) -> None:
    """Log the seal: nobody who changes the database can change that."""
    name = seals.name(seal["installation_id"], seal["number"], seal["hash"])
    log.info("audit sealed", seal=name, rows=seal["covered"])
