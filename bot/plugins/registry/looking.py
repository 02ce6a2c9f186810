"""Looks at the registries: accepts a newer index, and stops what it revokes."""

import hashlib
import zlib
from functools import lru_cache

import structlog

from bot.mirror import reads
from bot.mirror.reads import Read
from bot.plugins import revoking
from bot.plugins.package import WrongPackage
from bot.plugins.registry import index, places
from bot.plugins.registry.index import INDEX, SIGNATURE, Index
from bot.plugins.registry.places import Pending
from bot.times import MINUTE, SECOND
from store.engine.transaction import Store, Tx
from store.plugins import plugins, registries
from store.tables.plugins import PluginRegistryRow

log = structlog.get_logger()
FILES = {INDEX: index.LARGEST, SIGNATURE: 1_000}
# Between two looks, and until the next while GitHub is being asked.
LOOK_EVERY, SOON = 10 * MINUTE, 5 * SECOND
RATINGS_EVERY = 60 * MINUTE


async def step(store: Store) -> int:
    """Look at the registries that are due. Return 0: there is time for the next look."""

    async def take(tx: Tx) -> list[PluginRegistryRow]:
        now = await tx.now()
        found = await registries.due(tx, now)
        return [row for row in found if await registries.look_later(tx, row, now + LOOK_EVERY)]

    if not await store.read(_has_due):
        return 0
    for row in await store.write(take):
        try:
            await look(store, row)
        except Pending:
            await _look_again_soon(store, row)
        except WrongPackage as exc:
            log.warning("registry not read", place=row["place"], why=str(exc))
    return 0


async def _has_due(tx: Tx) -> bool:
    return bool(await registries.due(tx, await tx.now()))


async def _look_again_soon(store: Store, row: PluginRegistryRow) -> None:
    async def work(tx: Tx) -> None:
        taken = await registries.get(tx, row["place"])
        if taken is not None:
            await registries.look_later(tx, taken, await tx.now() + SOON)

    await store.write(work)


async def look(store: Store, row: PluginRegistryRow) -> Index:
    """Read the registry, and keep its index. Raise Pending or WrongPackage, which is noted."""
    try:
        files = await places.read(store, row, FILES)
        found = index.read(files[INDEX], files[SIGNATURE], row["signed_by"])
        stopped = await store.write(lambda tx: _accept(tx, row["place"], found, files[INDEX]))
    except WrongPackage as exc:
        why = str(exc)
        await store.write(lambda tx: registries.mark_failing(tx, row["place"], why))
        raise
    for name in stopped:
        log.warning("plug-in revoked by its registry", plugin=name, place=row["place"])
    return found


async def _accept(tx: Tx, place: str, found: Index, content: bytes) -> list[str]:
    """Return the plug-ins that this stopped. Raise WrongPackage."""
    row, digest = await registries.get(tx, place), hashlib.sha256(content).hexdigest()
    if row is None:
        return []
    index.check_age(found, row["number"], digest, row["digest"], await tx.now())
    await registries.put_index(tx, place, found.number, zlib.compress(content), digest)
    await _ask_for_ratings(tx, row, found)
    await _follow_revocations(tx, place)
    return await revoking.stop_revoked(tx)


async def _follow_revocations(tx: Tx, place: str) -> None:
    """Store what the indexes revoke now, and lift what this one revoked before.

    What the operator revoked stays.
    """
    rows = [each for each in await plugins.trust_rows(tx) if each["kind"] == "revoked"]
    known = {each["subject"]: each["detail"] for each in rows}
    wanted: dict[str, str] = {}
    for row in await registries.all_of(tx):
        found = kept_index(row)
        for subject, why in found.revocations.items() if found else ():
            wanted.setdefault(subject, _reason(why, row["place"]))
    lifted = [
        subject
        for subject, detail in known.items()
        if detail.endswith(_mark(place)) and subject not in wanted
    ]
    for subject in lifted:
        await plugins.remove_trust(tx, "revoked", subject)
    for subject, detail in wanted.items():
        if subject not in known:
            await plugins.put_trust(tx, "revoked", subject, detail)
    if lifted:
        await revoking.resume_lifted(tx)


def _reason(why: str, place: str) -> str:
    """By its end, the registry that said so is known."""
    return f"{why[: plugins.LONGEST_DETAIL - len(_mark(place))]}{_mark(place)}"


def _mark(place: str) -> str:
    return f" ({place[-100:]})"


async def _ask_for_ratings(tx: Tx, row: PluginRegistryRow, found: Index) -> None:
    if row["home"] is None or row["repository_id"] is None:
        return
    numbers = [each.issue for each in found.plugins if each.issue]
    known = await registries.ratings(tx, row["home"], row["repository_id"], numbers)
    old = await tx.now() - RATINGS_EVERY
    wanted: list[Read] = [
        reads.thread("plugin_rating", row["repository_id"], number, reads.LATER)
        for number in numbers
        if number not in known or known[number]["at"] < old
    ]
    for each in wanted:
        await reads.queue(tx, row["home"], each)


def kept_index(row: PluginRegistryRow) -> Index | None:
    """The index that was accepted last."""
    if row["content"] is None:
        return None
    return _parse(row["content"])


@lru_cache(registries.MOST)
def _parse(content: bytes) -> Index:
    """One of a megabyte takes some tenths of a second, which a search would take each time."""
    return index.parse(zlib.decompress(content))
