"""Packages in the database, in parts."""

import asyncio
from dataclasses import replace
from functools import partial

from bot.plugins.package import Package, WrongPackage, pack, unpack
from bot.times import MINUTE
from store.engine.transaction import Store, Tx
from store.plugins import plugins

# A row of the database must fit into a packet.
PART = 512 * 1024
# How long a package stays that no plug-in has: another process may be about to install it.
KEPT = 60 * MINUTE
LATEST = 2**62


async def put(store: Store, package: Package) -> None:
    """Store a package, and read it again: a process that was killed may have left other parts."""
    await _put_parts(store, package)
    try:
        await package_of(store, package.digest)
    except WrongPackage:
        await store.write(lambda tx: plugins.remove_parts(tx, package.digest, LATEST))
        await _put_parts(store, package)
        await package_of(store, package.digest)


async def _put_parts(store: Store, package: Package) -> None:
    data = pack(replace(package, signature=None))
    for n in range(0, len(data), PART):
        await store.write(partial(_put_part, package.digest, n // PART, data[n : n + PART]))


async def _put_part(digest: str, number: int, data: bytes, tx: Tx) -> None:
    await plugins.put_part(tx, digest, number, data)


async def package_of(store: Store, digest: str) -> Package:
    """A package of the database. Raise WrongPackage if it is not there, or was changed."""
    data, number = bytearray(), 0
    while piece := await store.read(partial(_part, digest, number)):
        data += piece
        number += 1
    if not data:
        raise WrongPackage("Its package is not in the database. Install it again.")
    # It takes seconds if the package is large.
    found = await asyncio.to_thread(unpack, bytes(data))
    if found.digest != digest:
        raise WrongPackage("Its package in the database is not the one that was installed.")
    return found


async def _part(digest: str, number: int, tx: Tx) -> bytes | None:
    return await plugins.part(tx, digest, number)


async def drop_unused(store: Store) -> None:
    """Remove packages that no plug-in has. One that is being stored now stays."""

    async def work(tx: Tx) -> None:
        rows, now = await plugins.all_of(tx), await tx.now()
        used = {row["digest"] for row in rows}
        used |= {row["former"]["digest"] for row in rows if row["former"]}
        for digest in await plugins.digests(tx):
            if digest not in used:
                await plugins.remove_parts(tx, digest, now - KEPT)

    await store.write(work)
