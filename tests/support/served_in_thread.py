"""Hubbub's server in a thread, for tools that speak HTTP without asyncio."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bot.identity.actors import ROLES
from bot.identity.keyring import Keys
from store.engine.database import open_store
from store.engine.transaction import Tx
from store.tables.agents import Role
from tests.support.api_keys import add_api_key
from tests.support.story import Clock, Workspace, open_workspace

# What a refused call may change: that its agent is active, and what it got with the error or with
# the answer before.
NOT_STATE = {
    "agents": {"last_active_at", "calls", "stored_bytes"},
    "credentials": {"last_used_at"},
    "receipts": {"told_at", "state"},
    "leases": {"expires_at", "renewed_at", "known"},
}
# An answer shows notices, and the old ones that were shown go.
NOT_COMPARED = {"audit", "heads", "notices"}


@dataclass
class Served:
    url: str
    tokens: dict[Role, str]
    # What exists, by the name of the argument that can name it.
    known: dict[str, list[Any]]

    # Reads beside the server. It stays open, because a new one reads the whole schema first.
    reader: sqlite3.Connection

    def state(self) -> dict[str, int]:
        """A hash of the rows of each table."""
        tables = self.reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {
            name: _hash_of(self.reader, name)
            for (name,) in tables.fetchall()
            if name not in NOT_COMPARED
        }


def _hash_of(db: sqlite3.Connection, table: str) -> int:
    left_out = NOT_STATE.get(table, set())
    rows = db.execute(f"SELECT * FROM {table}")
    kept = [tuple(r[k] for k in r.keys() if k not in left_out) for r in rows]  # noqa: SIM118 - a Row
    return hash(frozenset(kept))


@contextmanager
def serve_in_thread(path: Path) -> Iterator[Served]:
    """A server on this migrated SQLite file, with an agent of each role, and what they made."""
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    found: list[Served] = []

    async def live() -> None:
        clock = Clock()
        store = await open_store(f"sqlite:///{path}", clock)
        async with open_workspace(store, clock, None) as workspace:
            found.append(await _fill(workspace, path))
            ready.set()
            await stop.wait()
        await store.close()

    def run() -> None:
        try:
            loop.run_until_complete(live())
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        ready.wait()
        yield found[0]
        found[0].reader.close()
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


async def _fill(workspace: Workspace, path: Path) -> Served:
    issue, other = await workspace.task("Paint it"), await workspace.task("Weigh it")
    agents = {role: await workspace.agent(f"a-{role}", role) for role in ROLES}
    lead, developer = agents["tech-lead"], agents["developer"]
    claimed = await developer.call("claim_task", task=workspace.name(issue))
    context = await lead.call("create_context", name="plan", content="Paint, then weigh.")
    sent = await lead.call("send_message", to="a-developer", body="Begin")
    write = await developer.write("github_comment_issue", issue=workspace.name(issue), body="Begun")
    keys, here = workspace.dispatcher.shared.keys, workspace.installation.id
    tokens = {
        role: await workspace.store.write(partial(_key, keys=keys, here=here, role=role))
        for role in ROLES
    }
    known = {
        "task": [workspace.name(issue), workspace.name(other), claimed["task"]["id"]],
        "issue": [workspace.name(issue), workspace.name(other)],
        "repository": ["acme/rocket"],
        "agent_id": [f"a-{role}" for role in ROLES],
        "to": ["a-tester", "everybody", "role:developer"],
        "context_id": [context["context"]["id"]],
        "message_id": [sent["message_id"]],
        "thread_id": [sent["thread_id"]],
        "write_id": [write["write_id"]],
        "fence": [claimed["fence"]],
        "path": ["README.md"],
        "ref": ["main"],
    }
    reader = sqlite3.connect(path, check_same_thread=False)
    reader.row_factory = sqlite3.Row
    return Served(_url(workspace), tokens, known, reader)


async def _key(tx: Tx, *, keys: Keys, here: int, role: Role) -> str:
    return await add_api_key(tx, keys, here, f"a-{role}", role)


def _url(workspace: Workspace) -> str:
    address = workspace.github.app.webhook_url
    assert address is not None
    return address.removesuffix("/webhooks/github")
