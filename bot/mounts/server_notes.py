"""What servers say by themselves, until it is stored: changed lists, and lines for the log."""

from collections import defaultdict
from functools import partial

from bot import secret_formats
from bot.tool_servers.connections import ServerSpec
from store.engine.transaction import Store, Tx
from store.mounts import mount_log, mounts

# Lines of one server that wait. Beyond, the newest are dropped.
MOST_LINES = 50
MOST_SERVERS = 500
Server = tuple[int, str]


class ServerNotes:
    """Kept in memory for a moment, because a server may say a lot."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed: set[Server] = set()
        self._lines: defaultdict[Server, list[str]] = defaultdict(list)

    def note_change(self, installation_id: int, server_id: str) -> None:
        self._changed.add((installation_id, server_id))

    def note_line(self, spec: ServerSpec, line: str) -> None:
        here = spec.installation_id, spec.server_id
        if here in self._lines or len(self._lines) < MOST_SERVERS:
            lines = self._lines[here]
            if len(lines) < MOST_LINES:
                lines.append(secret_formats.mask(line)[0])

    async def flush(self) -> None:
        changed, self._changed = self._changed, set()
        lines, self._lines = self._lines, defaultdict(list)
        for i, server_id in changed:
            await self._store.write(partial(_look_soon, installation_id=i, server_id=server_id))
        for (i, server_id), said in lines.items():
            await self._store.write(
                partial(_add_lines, installation_id=i, server_id=server_id, lines=said)
            )


async def _look_soon(tx: Tx, installation_id: int, server_id: str) -> None:
    await mounts.look_soon(tx, installation_id, server_id, await tx.now())


async def _add_lines(tx: Tx, installation_id: int, server_id: str, lines: list[str]) -> None:
    if await mounts.lock(tx, installation_id, server_id) is None:
        return
    now = await tx.now()
    for line in lines:
        await mount_log.add(tx, installation_id, server_id, now, "info", f"It says: {line}")
