"""Agents that Hubbub reaches itself: a receiver on loopback, and how tests let Hubbub deliver."""

from dataclasses import replace
from typing import Any

import orjson
from aiohttp import web

from bot.background.agent_endpoints import AgentCalls
from bot.identity.actors import Actor
from bot.plugins.deliveries import Deliveries
from bot.plugins.running import plugins_of
from bot.protocols.courier import Courier
from bot.protocols.link import Link
from bot.protocols.outgoing import Outgoing
from bot.protocols.routing import IN_SERVER
from store.tables.protocols import Protocol
from tests.support.receivers import Receiver
from tests.support.story import Agent, Workspace


class Acknowledging(Receiver):
    """Answers with the id of what it got, as long as `acknowledges`, or with the one `replayed`."""

    acknowledges = True
    replayed: str | None = None

    async def answer(self, request: web.Request) -> web.Response:
        answer = await super().answer(request)
        if self.acknowledges and answer.status == 200:
            body = orjson.loads(await request.read())
            return web.json_response({"ack": self.replayed or body["id"]})
        return answer


def trust(workspace: Workspace, *origins: str) -> None:
    """Let the operator trust these origins."""
    shared = replace(workspace.dispatcher.shared, trusted_origins=frozenset(origins))
    workspace.dispatcher.shared = shared


def lead(workspace: Workspace) -> Agent:
    """A person who leads everywhere."""
    return Agent(workspace.dispatcher, Actor(workspace.installation.id, "@octocat", "tech-lead"))


def courier(
    workspace: Workspace,
    protocols: tuple[Protocol, ...] = IN_SERVER,
    url: str = "https://hubbub.example.com",
    **more: Any,
) -> Courier:
    shared = workspace.dispatcher.shared
    outgoing = Outgoing(shared.trusted_origins)
    calls = AgentCalls(workspace.dispatcher)
    if plugins := plugins_of(shared.outside):
        more["plugins"] = Deliveries(workspace.store, plugins)
    return Courier(Link(workspace.store, shared.keys, calls, outgoing, url, **more), protocols)


async def set_endpoint(
    workspace: Workspace, agent_id: str, protocol: Protocol, url: str, **more: Any
) -> dict[str, Any]:
    trust(workspace, url[: url.index("/", 8)])
    return await lead(workspace).call(
        "manage_agent_endpoint",
        agent_id=agent_id,
        action="set",
        protocol=protocol,
        url=url,
        **more,
    )


async def deliveries(workspace: Workspace) -> list[tuple[str, str, int]]:
    """The kind, the state and the failures of each, in the order of time."""
    q = (
        "SELECT kind, state, failures FROM endpoint_deliveries WHERE installation_id = :i "
        "ORDER BY id"
    )
    return [(row["kind"], row["state"], row["failures"]) for row in await workspace.rows(q)]
