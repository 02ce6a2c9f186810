"""Agents that talk to each other, without a GitHub."""

import json
import secrets
from typing import Any

from bot.background import expiry
from bot.dispatch.dispatcher import Dispatcher
from bot.files.texts import FileTexts
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.kernel.operation import Shared
from bot.kernel.outside import Outside
from store.engine.transaction import Row, Store
from store.tables.agents import Role
from tests.support.story import Agent, Clock


class Office:
    """Agents that talk, without a GitHub; the clock goes on when told."""

    def __init__(self, store: Store, clock: Clock, installation_id: int) -> None:
        keys = Keys(secrets.token_hex(32))
        shared = Shared(keys, outside=Outside(files=FileTexts(store, keys)))
        self.dispatcher = Dispatcher(store, shared)
        self.store = store
        self.clock = clock
        self.installation_id = installation_id

    async def agent(self, agent_id: str, role: Role = "developer", *capabilities: str) -> Agent:
        agent = Agent(self.dispatcher, Actor(self.installation_id, agent_id, role))
        given = {"agent_id": agent_id, "name": agent_id, "capabilities": list(capabilities)}
        await agent.call("register_agent", **given)
        return agent

    async def time_passes(self, seconds: float) -> None:
        self.clock.forward(seconds)
        while await expiry.step(self.dispatcher.store):
            pass

    async def rows(self, sql: str, **params: Any) -> list[Row]:
        return await self.store.read(lambda tx: tx.all(sql, i=self.installation_id, **params))

    async def run(self, sql: str, **params: Any) -> None:
        await self.store.write(lambda tx: tx.run(sql, i=self.installation_id, **params))

    async def events(self, kind: str) -> list[Row]:
        q = "SELECT * FROM events WHERE installation_id = :i AND kind = :kind ORDER BY seq"
        return [{**row, "data": json.loads(row["data"])} for row in await self.rows(q, kind=kind)]


async def bodies(agent: Agent, **asked: Any) -> list[str]:
    return [each["body"] for each in (await agent.call("get_messages", **asked))["messages"]]


async def send(agent: Agent, to: str, body: str = "x", **more: Any) -> str:
    return str((await agent.call("send_message", to=to, body=body, **more))["message_id"])


async def leaves(office: Office, agent_id: str) -> None:
    q = "UPDATE agents SET left_at = 1 WHERE installation_id = :i AND id = :a"
    await office.run(q, a=agent_id)
