"""The steps of the loop that looks at tool servers which fail, or which nobody called for long."""

import asyncio

from bot.background.attempts import attempt
from bot.identity.keyring import Broken
from bot.kernel.operation import Shared
from bot.mounts import looking
from bot.mounts.specs import spec_of
from bot.mounts.tool_calls import LONGEST, end_lost
from bot.times import SECOND
from bot.tool_servers.connections import ToolServers, Unavailable
from bot.tool_servers.network import Network
from store.engine.transaction import Store, Tx
from store.mounts import mounts, tool_calls
from store.tables.mounts import MountRow

# At the same time, so that a few which never answer do not hold up the others.
AT_ONCE = 8
# Before another process may look at the same one.
TAKEN_FOR = 5 * 60 * SECOND
# Who accepts the first list, if no person did.
HUBBUB = "hubbub"


async def step(store: Store, shared: Shared) -> int:
    """Return how many servers were looked at."""
    servers = shared.outside.tool_servers
    if servers is None:
        return 0
    now = await store.read(lambda tx: tx.now())
    due = await store.read(lambda tx: mounts.due(tx, now, AT_ONCE))
    looks = [
        attempt(_look(store, shared, servers, *each), "tool server not looked at", server=each[1])
        for each in due
    ]
    return sum(await asyncio.gather(*looks))


async def end_lost_calls(store: Store) -> int:
    """Return how many calls were found whose process was killed."""
    now = await store.read(lambda tx: tx.now())
    if not await store.read(lambda tx: tool_calls.running_since(tx, now - LONGEST, 1)):
        return 0
    return await store.write(end_lost)


async def _look(
    store: Store, shared: Shared, servers: ToolServers, i: int, mount_id: str, at: int
) -> int:
    """With the credential, the connection and the time-out of calls."""

    async def take(tx: Tx) -> MountRow | None:
        return await mounts.take(tx, i, mount_id, at, await tx.now() + TAKEN_FOR)

    row = await store.write(take)
    if row is None:
        return 0
    try:
        spec, network = spec_of(shared.keys, row), Network(shared.trusted_origins)
        # Whether a service answers has nothing to do with where its document is.
        found = await looking.look(servers, spec, network)
    except Broken as exc:
        found = Unavailable("unauthorized", f"The credential cannot be decrypted: {exc}.")
    version, by = row["version"], row["created_by"] or HUBBUB
    await store.write(lambda tx: looking.store_look(tx, i, mount_id, version, found, by))
    return 1
