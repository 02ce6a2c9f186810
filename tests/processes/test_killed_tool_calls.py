"""What a server was doing with tools of others when it was killed is never sent a second time.

Only a step is called again whose tool may be repeated.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.identity.keyring import Keys
from bot.repository.settings_file import PATH
from store.tables.agents import Role
from tests.support.engines import ON_SQLITE
from tests.support.server_process import SECRET, START_S, Serving, serving
from tests.support.story import Clock, Workspace
from tests.support.tool_desk import ToolDesk, spec
from tests.support.tool_server import ToolServer, never, open_tool_server, tool
from tests.support.workflows import begin

ANY = {"type": "object"}
NAMES = ("keyed", "unkeyed", "first", "second", "step", "again")
CHAIN = [{"id": "a", "call": "shop__first"}, {"id": "b", "call": "shop__second", "needs": ["a"]}]
SETTINGS = json.dumps({"tools": {"chain": {"description": "Two calls.", "steps": CHAIN}}})
WORKFLOW = """
steps:
  - {id: order, title: Order, tool: shop__step}
  - {id: count, title: Count, tool: shop__again}
  - {id: after, title: Look, body: Look., needs: [order]}
"""


@pytest.fixture
def clock() -> Clock:
    """Behind that of the servers, which have the real time, also after the workspace waited."""
    made = Clock()
    made.at = int((time.time() - 3600) * 1_000_000)
    return made


class Caller:
    """An agent that calls `call_tool` over HTTP."""

    def __init__(self, session: aiohttp.ClientSession, token: str) -> None:
        self.session = session
        self.headers = {"Authorization": f"Bearer {token}"}

    async def call(self, server: Serving, name: str, **given: Any) -> dict[str, Any]:
        url = f"{server.url}/api/v1/call_tool"
        asked = {"tool": name, **given}
        async with self.session.post(url, json=asked, headers=self.headers) as answer:
            found: dict[str, Any] = await answer.json()
            return found


def calls_of(shop: ToolServer) -> Mapping[str, int]:
    return Counter(each["name"] for each in shop.calls)


async def wait_for(shop: ToolServer, wanted: Mapping[str, int]) -> None:
    async with asyncio.timeout(START_S):
        while calls_of(shop) != wanted:
            shop.called.clear()
            await shop.called.wait()


async def lose_time(workspace: Workspace) -> None:
    """As if the time were over after which the call of a step counts as lost."""
    q = "UPDATE workflow_steps SET call_at = 1 WHERE installation_id = :i AND call_id IS NOT NULL"
    await workspace.store.write(lambda tx: tx.run(q, i=workspace.installation.id))


async def states_of_steps(workspace: Workspace) -> dict[str, str]:
    q = "SELECT step, state FROM workflow_steps WHERE installation_id = :i"
    return {each["step"]: each["state"] for each in await workspace.rows(q)}


async def mount_shop(workspace: Workspace, shop: ToolServer) -> None:
    workspace.dispatcher.shared = replace(workspace.dispatcher.shared, keys=Keys(SECRET))
    desk = ToolDesk(workspace.dispatcher, workspace.clock, workspace.installation.id)
    listed = [spec(each, input_schema=ANY, idempotent=each == "again") for each in NAMES]
    await desk.mount("shop", *listed, url=shop.url)


@ON_SQLITE
async def test_a_killed_server_sends_no_call_of_a_tool_twice(
    workspace: Workspace, store_url: str, tmp_path: Path
) -> None:
    faults = dict.fromkeys(("keyed", "unkeyed", "second", "step", "again"), never)
    async with (
        open_tool_server(tools=[tool(each) for each in NAMES], faults=faults) as shop,
        aiohttp.ClientSession() as session,
    ):
        await mount_shop(workspace, shop)
        await workspace.agent("ada")
        workspace.person.push(workspace.repository, "main", {PATH: SETTINGS})
        await workspace.settle()
        role: Role = "tech-lead"
        await begin(workspace, await workspace.agent("lea", role), WORKFLOW)
        await workspace.settle()
        given = {"HUBBUB_TRUSTED_ORIGINS": shop.origin}
        wanted = {"keyed": 1, "unkeyed": 1, "first": 1, "second": 1, "step": 1, "again": 1}
        chain = "tools_rocket__chain"
        async with serving(tmp_path, store_url, workspace.github, **given) as server:
            ada = Caller(session, await server.token(workspace.installation.id, "ada"))
            calls = [
                asyncio.create_task(each)
                for each in (
                    ada.call(server, "shop__keyed", key="k-1"),
                    ada.call(server, "shop__unkeyed"),
                    ada.call(server, chain, key="k-2"),
                )
            ]
            await wait_for(shop, wanted)
            server.kill()
            await server.process.wait()
            lost = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(each, aiohttp.ClientError) for each in lost)
        shop.faults.clear()
        await lose_time(workspace)
        async with serving(tmp_path, store_url, workspace.github, **given) as server:
            for name, key in (("shop__keyed", "k-1"), (chain, "k-2"), ("shop__keyed", "k-1")):
                assert (await ada.call(server, name, key=key))["error"]["code"] == "outcome_unknown"
            async with asyncio.timeout(START_S):
                while "open" in (await states_of_steps(workspace)).values():  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            found = await states_of_steps(workspace)
            assert found == {"order": "failed", "count": "completed", "after": "waiting"}
            assert calls_of(shop) == wanted | {"again": 2}
            answer = await ada.call(server, "shop__keyed", key="k-3")
            assert answer["failed"] is False
