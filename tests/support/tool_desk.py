"""Tools of other servers for tests: mounted by rows, and called at servers that the test plays."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.actors import Actor
from bot.mounts import manifest
from bot.mounts.manifest import Changes
from bot.tool_servers.connections import (
    Json,
    Progress,
    ServerSpec,
    TextPart,
    ToolResult,
    ToolSpec,
    Unavailable,
)
from bot.tool_servers.credentials import Credential, seal
from store.engine.transaction import Store, Tx
from store.mounts import mounts, tools
from store.tables.agents import Role
from store.tables.mounts import MountRow, ToolRow
from tests.support.story import Agent, Clock

# What a tool does when it is called: its result, or how it fails.
Behaviour: TypeAlias = Callable[[Json], ToolResult]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["title"],
    "additionalProperties": False,
}


def text(words: str) -> ToolResult:
    return ToolResult((TextPart(words),))


def away(*, sent: bool = False, retry_after_s: float | None = None) -> Unavailable:
    return Unavailable("unreachable", "no route", sent=sent, retry_after_s=retry_after_s)


def spec(name: str, **changed: Any) -> ToolSpec:
    made = ToolSpec(name, "", f"Does {name}.", SCHEMA)
    return replace(made, **changed)


@dataclass
class PlayedServers:
    """`calls`: server, tool and arguments of each call. `answers`: by tool, the next ones."""

    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    answers: dict[str, list[ToolResult | Unavailable]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    specs: list[ServerSpec] = field(default_factory=list)
    dropped: list[tuple[int, str]] = field(default_factory=list)
    # Set by the test, it makes calls wait after they began.
    waits: asyncio.Event | None = None
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def list_tools(self, _: ServerSpec) -> list[ToolSpec]:
        return []

    async def call_tool(
        self,
        spec: ServerSpec,
        tool: str,
        arguments: Json,
        timeout_s: float,
        max_bytes: int,
        progress: Progress | None = None,
    ) -> ToolResult:
        assert timeout_s > 0
        assert max_bytes > 0
        assert progress is None
        server = self.names[spec.server_id]
        self.calls.append((server, tool, dict(arguments)))
        self.specs.append(spec)
        self.began.set()
        if self.waits is not None:
            await self.waits.wait()
        waiting = self.answers.get(f"{server}__{tool}") or self.answers.get(tool)
        answer = waiting.pop(0) if waiting else text(f"{server} did {tool}.")
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    async def drop(self, installation_id: int, server_id: str) -> None:
        self.dropped.append((installation_id, server_id))


@dataclass
class ToolDesk:
    """Agents, people and tools of one installation."""

    dispatcher: Dispatcher
    clock: Clock
    installation_id: int
    servers: PlayedServers = field(default_factory=PlayedServers)

    def __post_init__(self) -> None:
        shared = self.dispatcher.shared
        outside = replace(shared.outside, tool_servers=self.servers)
        self.dispatcher.shared = replace(shared, outside=outside)

    @property
    def store(self) -> Store:
        return self.dispatcher.store

    async def agent(self, agent_id: str, role: Role = "developer", **actor: Any) -> Agent:
        made = Agent(self.dispatcher, Actor(self.installation_id, agent_id, role, **actor))
        await made.call("register_agent", agent_id=agent_id, name=agent_id)
        return made

    def person(self, role: Role = "tech-lead", **actor: Any) -> Agent:
        return Agent(self.dispatcher, Actor(self.installation_id, "@maria", role, **actor))

    async def mount(self, name: str, *listed: ToolSpec, **changed: Any) -> str:
        """Mount a server with these tools, which are accepted."""
        mount_id = f"t{self.installation_id}{name}"
        self.servers.names[mount_id] = name
        keys, now = self.dispatcher.shared.keys, self.clock()
        row: Any = {
            **dict.fromkeys(mounts.COLUMNS),
            "installation_id": self.installation_id,
            "id": mount_id,
            "name": name,
            "kind": "mcp",
            "url": f"https://{name}.example/mcp",
            "sealed": seal(keys, self.installation_id, mount_id, Credential()),
            "options": {},
            "state": "running",
            "version": 1,
            "health": "unknown",
            "failures": 0,
            "created_by": "@maria",
            "created_at": now,
            "updated_at": now,
            **changed,
        }
        await self.store.write(lambda tx: mounts.add(tx, row))
        await self.relist(name, *listed)
        return mount_id

    async def relist(self, name: str, *listed: ToolSpec) -> Changes:
        """The server lists these tools now."""

        async def work(tx: Tx) -> Changes:
            row = await mounts.by_name(tx, self.installation_id, name)
            assert row is not None
            found = manifest.usable_tools(listed)
            made = await manifest.store_listing(tx, row, found, "@maria", await tx.now())
            await mounts.replace(tx, {**row, "manifest_hash": made.manifest_hash})
            return made

        return await self.store.write(work)

    async def tool(self, server: str, name: str) -> ToolRow:
        async def work(tx: Tx) -> ToolRow:
            mount: MountRow | None = await mounts.by_name(tx, self.installation_id, server)
            assert mount is not None
            row = await tools.get(tx, self.installation_id, mount["id"], name)
            assert row is not None
            return row

        return await self.store.read(work)

    async def rows(self, table: str) -> list[dict[str, Any]]:
        q = f"SELECT * FROM {table} WHERE installation_id = :i"
        return await self.store.read(lambda tx: tx.all(q, i=self.installation_id))

    async def set(self, tool: str, **policy: Any) -> dict[str, Any]:
        """A person changes the policy of a tool."""
        return await self.person().call("manage_tool", tool=tool, action="set", policy=policy)
