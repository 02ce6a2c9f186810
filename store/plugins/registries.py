"""The registries of plug-ins that the operator trusts, and the ratings in their repositories."""

from collections.abc import Sequence
from typing import Any

from store.engine import sql
from store.engine.transaction import Tx
from store.plugins import plugins
from store.plugins.plugins import SERVER
from store.tables.plugins import PluginRatingRow, PluginRegistryRow, RegistrySource

MOST = 20
COLUMNS = tuple(PluginRegistryRow.__annotations__)
KEY = ("installation_id", "place")
RATING_COLUMNS = tuple(PluginRatingRow.__annotations__)
RATING_KEY = RATING_COLUMNS[:3]


async def all_of(tx: Tx) -> list[PluginRegistryRow]:
    q = "SELECT * FROM plugin_registries WHERE installation_id = :i ORDER BY place LIMIT :n"
    return await tx.all(q, i=SERVER, n=MOST)


async def get(tx: Tx, place: str) -> PluginRegistryRow | None:
    q = "SELECT * FROM plugin_registries WHERE installation_id = :i AND place = :p"
    return await tx.one(q, i=SERVER, p=place)


async def add(tx: Tx, place: str, source: RegistrySource, signed_by: str, by: str) -> None:
    """Trust a registry, or give it another key.

    What was read before is forgotten, except the highest number of an index with the same key.
    """
    now = await tx.now()
    await tx.run(
        sql.upsert(tx.dialect, "plugin_registries", COLUMNS, KEY),
        installation_id=SERVER,
        place=place,
        source=source,
        signed_by=signed_by,
        number=await _number_before(tx, place, signed_by),
        content=None,
        digest=None,
        state="new",
        why=None,
        home=None,
        repository_id=None,
        is_public=0,
        look_at=now,
        read_at=None,
        added_by=by[:120],
        added_at=now,
    )


async def _number_before(tx: Tx, place: str, key: str) -> int:
    """Of this registry, or of one with the same key that was removed."""
    row = await get(tx, place)
    number = row["number"] if row and row["signed_by"] == key else 0
    return max(number, int(await plugins.trust_detail(tx, "index", key) or 0))


async def remove(tx: Tx, place: str) -> bool:
    """The number of its index stays, so that no older one is accepted if it is added again."""
    if row := await get(tx, place):
        number = await _number_before(tx, place, row["signed_by"])
        await plugins.put_trust(tx, "index", row["signed_by"], str(number))
    q = "DELETE FROM plugin_registries WHERE installation_id = :i AND place = :p"
    return bool(await tx.run(q, i=SERVER, p=place))


async def due(tx: Tx, now: int) -> list[PluginRegistryRow]:
    q = (
        "SELECT * FROM plugin_registries WHERE installation_id = :i AND look_at <= :now "
        "ORDER BY place LIMIT :n"
    )
    return await tx.all(q, i=SERVER, now=now, n=MOST)


async def look_later(tx: Tx, row: PluginRegistryRow, at: int) -> bool:
    """Take the look at it for this process. False if another one has it."""
    q = (
        "UPDATE plugin_registries SET look_at = :at WHERE installation_id = :i AND place = :p "
        "AND look_at = :seen"
    )
    return bool(await tx.run(q, at=at, i=SERVER, p=row["place"], seen=row["look_at"]))


async def put_place(
    tx: Tx, place: str, home: int | None, repository_id: int | None, *, is_public: bool
) -> None:
    """Where the mirror has its repository."""
    q = (
        "UPDATE plugin_registries SET home = :h, repository_id = :r, is_public = :public "
        "WHERE installation_id = :i AND place = :p"
    )
    here = {"i": SERVER, "p": place, "h": home, "r": repository_id, "public": int(is_public)}
    await tx.run(q, **here)


async def put_index(tx: Tx, place: str, number: int, content: bytes, digest: str) -> bool:
    """Accept an index. False if one with a higher number was accepted meanwhile."""
    q = (
        "UPDATE plugin_registries SET number = :number, content = :content, digest = :digest, "
        "state = 'read', why = NULL, read_at = :now WHERE installation_id = :i AND place = :p "
        "AND number <= :number"
    )
    given: dict[str, Any] = {"number": number, "content": content, "digest": digest}
    return bool(await tx.run(q, **given, i=SERVER, p=place, now=await tx.now()))


async def mark_failing(tx: Tx, place: str, why: str) -> None:
    q = (
        "UPDATE plugin_registries SET state = 'failing', why = :why WHERE installation_id = :i "
        "AND place = :p"
    )
    await tx.run(q, why=why[:300], i=SERVER, p=place)


# --- Ratings -------------------------------------------------------------------------------------


async def put_rating(
    tx: Tx, installation_id: int, repository_id: int, number: int, likes: int, dislikes: int
) -> None:
    await tx.run(
        sql.upsert(tx.dialect, "plugin_ratings", RATING_COLUMNS, RATING_KEY),
        installation_id=installation_id,
        repository_id=repository_id,
        number=number,
        likes=likes,
        dislikes=dislikes,
        at=await tx.now(),
    )


async def ratings(
    tx: Tx, installation_id: int, repository_id: int, numbers: Sequence[int]
) -> dict[int, PluginRatingRow]:
    """By the number of the issue."""
    rows: list[PluginRatingRow] = await tx.all(
        "SELECT * FROM plugin_ratings WHERE installation_id = :i AND repository_id = :r "
        "AND number IN :numbers",
        i=installation_id,
        r=repository_id,
        numbers=tuple(numbers),
    )
    return {row["number"]: row for row in rows}
