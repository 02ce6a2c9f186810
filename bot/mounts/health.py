"""How a mounted server is: what the last call to it, or the last look at it, showed."""

import random

from bot.times import SECOND
from bot.tool_servers.connections import Unavailable, Why
from store.engine.transaction import Tx
from store.mounts import mount_log, mounts
from store.tables.mounts import MountRow

MINUTE = 60 * SECOND
# A success is written at most so often.
WRITTEN_EVERY = MINUTE
# A server without any call is looked at after this time.
QUIET = 6 * 3600 * SECOND
# One that fails is looked at again after these times, the last one over and over.
LOOK_AGAIN = (10 * SECOND, 30 * SECOND, MINUTE, 3 * MINUTE, 10 * MINUTE)
# What says something about the server, not about one call.
OF_SERVER: frozenset[Why] = frozenset(
    {"unreachable", "timeout", "protocol", "refused", "unauthorized"}
)


def _spread(time: int) -> int:
    """So that servers that failed together are not looked at together."""
    return int(time * random.uniform(0.8, 1.2))  # noqa: S311 - not for secrets


async def note_success(tx: Tx, row: MountRow) -> None:
    """A call was answered. Most calls write nothing."""
    now = await tx.now()
    known = row["last_success_at"]
    if row["health"] == "connected" and known is not None and now - known < WRITTEN_EVERY:
        return
    await note_look(tx, row)


async def note_look(tx: Tx, row: MountRow) -> None:
    """A look at it was answered: the next one is far away."""
    now = await tx.now()
    await mounts.set_health(tx, row, "connected", None, 0, now + _spread(QUIET))
    if row["health"] == "failing":
        here = row["installation_id"], row["id"]
        await mount_log.add(tx, *here, now, "info", "It answers again.")


async def note_failure(tx: Tx, row: MountRow, failure: Unavailable) -> None:
    """A call failed. What is only about this call is left out."""
    if failure.kind in OF_SERVER:
        await note_failed_look(tx, row, failure)


async def note_failed_look(tx: Tx, row: MountRow, failure: Unavailable) -> None:
    """Whatever the kind of the failure: the next look must have its time."""
    now = await tx.now()
    failures = row["failures"] + 1
    pause = LOOK_AGAIN[min(failures, len(LOOK_AGAIN)) - 1]
    await mounts.set_health(tx, row, "failing", failure.text, failures, now + _spread(pause))
    if row["health"] != "failing" or row["health_why"] != failure.text[:600]:
        here = row["installation_id"], row["id"]
        await mount_log.add(tx, *here, now, "error", failure.text)
