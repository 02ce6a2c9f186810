"""Connects a process to tool servers, for as long as it runs."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

import structlog

from bot.cli.session import Session
from bot.mounts import local_servers, stored_documents
from bot.mounts.closing import Closer
from bot.mounts.server_notes import ServerNotes
from bot.settings import Settings
from bot.tool_servers import operator_file
from bot.tool_servers.breakers import Guarded
from bot.tool_servers.connections import ByKind, Kind, ToolServers
from bot.tool_servers.metrics import Measured
from bot.tool_servers.network import Network
from bot.tool_servers.openapi.servers import OpenApiServers
from bot.tool_servers.operator_file import Process
from mcp_server.upstreams import lazy
from store.engine.transaction import StoreError

log = structlog.get_logger()

FLUSH_EVERY_S = 2.0
# The file is read once. An account that installs the App later is looked at in the next turn, and
# all of them in so many.
FOLLOW_EVERY = 30
# Turns between two looks at what other processes stopped.
CLOSE_EVERY = 5


@asynccontextmanager
async def connect(
    opened: Session, loaded: Settings, *, serves: bool = False
) -> AsyncIterator[Session]:
    """The session with tool servers in what its operations call outside.

    `serves`: it also keeps the servers of the operator's file in the database. Raise WrongSettings.
    """
    processes = operator_file.load(loaded.tool_servers_file)
    notes = ServerNotes(opened.store)
    network = Network(opened.shared.trusted_origins)
    follows = processes if serves and loaded.tool_servers_file else None
    async with lazy.open_servers(
        network, processes, notes.note_line, notes.note_change
    ) as mcp_servers:
        services = OpenApiServers(network, partial(stored_documents.read, opened.store))
        kinds: dict[Kind, ToolServers] = {
            "mcp": mcp_servers,
            "stdio": mcp_servers,
            "openapi": services,
        }
        servers = Guarded(Measured(ByKind(kinds), opened.shared.tool_metrics))
        outside = replace(opened.shared.outside, tool_servers=servers)
        closer = Closer(opened.store, (mcp_servers, services), servers)
        keeping = asyncio.create_task(_keep(opened, notes, closer, follows))
        try:
            yield replace(opened, shared=replace(opened.shared, outside=outside))
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
            await services.close()
            with suppress(StoreError):
                await notes.flush()


async def _keep(
    opened: Session,
    notes: ServerNotes,
    closer: Closer,
    processes: Mapping[str, Process] | None,
) -> None:
    """Until it is cancelled, store what servers say, and follow what other processes changed."""
    turn = 0
    follower = local_servers.Follower(opened.store, opened.keys, processes or {})
    while True:
        try:
            if processes is not None:
                await follower.step(everyone=turn % FOLLOW_EVERY == 0)
            await notes.flush()
            if turn % CLOSE_EVERY == 0:
                await closer.step()
        except Exception:  # a bug, or the database is away: the next turn tries again
            log.exception("notes of tool servers not stored")
        turn += 1
        await asyncio.sleep(FLUSH_EVERY_S)
