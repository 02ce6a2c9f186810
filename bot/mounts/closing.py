"""Closes connections that another process ended: their server was stopped, removed or changed."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Protocol

from bot.mounts.looking import TIMEOUT_S
from bot.tool_servers.connections import ToolServers
from store.engine.transaction import Store
from store.mounts import mounts
from store.mounts.mounts import InUse

# Installation and server, and a version of the server.
Server = tuple[int, str]
Connection = tuple[int, str, int]


class Holder(Protocol):
    def connections(self) -> Collection[Connection]:
        """The connections that this process has open."""


class Closer:
    def __init__(self, store: Store, holders: Sequence[Holder], servers: ToolServers) -> None:
        self._store = store
        self._holders = holders
        self._servers = servers
        # Those that had a row. One that is looked at before it is added has none yet: since when.
        self._seen: set[Server] = set()
        self._without_row: dict[Server, float] = {}

    async def step(self) -> int:
        """Return how many servers were let go."""
        held = {each for holder in self._holders for each in holder.connections()}
        if not held:
            return 0
        found = await self._rows(held)
        closed = {each[:2] for each in held if self._is_over(each, found.get(each[:2]))}
        for each in closed:
            await self._servers.drop(*each)
        self._seen = set(found)
        left = {each[:2] for each in held} - closed - found.keys()
        self._without_row = {each: self._without_row[each] for each in left}
        return len(closed)

    async def _rows(self, held: Iterable[Connection]) -> dict[Server, InUse]:
        wanted = defaultdict[int, set[str]](set)
        for installation_id, server_id, _ in held:
            wanted[installation_id].add(server_id)
        found: dict[Server, InUse] = {}
        for i, ids in wanted.items():
            for row in await self._store.read(partial(mounts.in_use, installation_id=i, ids=ids)):
                found[i, row["id"]] = row
        return found

    def _is_over(self, connection: Connection, row: InUse | None) -> bool:
        if row is not None:
            return row["state"] != "running" or row["version"] > connection[2]
        since = self._without_row.setdefault(connection[:2], time.monotonic())
        return connection[:2] in self._seen or time.monotonic() - since > TIMEOUT_S
