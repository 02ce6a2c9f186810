"""The flags of the product: with each turned off, the other path gives the same result."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.dispatch.dispatcher import Dispatcher
from bot.flags import setting
from bot.flags.flags import Flags
from bot.flags.known import JOINT_REQUESTS, MCP_FAST_PATH
from bot.identity.tokens import Tokens
from mcp_server import http
from mcp_server.http import Endpoint
from store.engine.database import open_store
from store.engine.transaction import Store, Tx
from store.flags import flag_counts
from tests.outbox.test_joint_requests import claimed, since, status_of, with_board
from tests.support.server_in_process import serving
from tests.support.story import Workspace

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "list_agents", "arguments": {}},
}


async def put(store: Store, flags: Flags, name: str, value: str, installation_id: int) -> None:
    async def work(tx: Tx) -> None:
        await setting.put(tx, installation_id, name, setting.parse(value), "operator", "")

    await store.write(work)
    await flags.refresh(store)


async def counts(store: Store, flags: Flags, name: str) -> dict[bool, tuple[int, int]]:
    """Calls and errors with the flag on and off."""
    await flags.refresh(store)
    sums = await store.read(lambda tx: flag_counts.sums(tx, 0))
    return {on: (each.calls, each.errors) for (of, on), each in sums.items() if of == name}


async def test_without_its_fast_path_mcp_gives_the_same_answer_by_the_library_on_sqlite(
    sqlite_url: str,
) -> None:
    fast: list[bool] = []

    @asynccontextmanager
    async def watched(
        dispatcher: Dispatcher, tokens: Tokens, hosts: list[str]
    ) -> AsyncIterator[Endpoint]:
        async with http.serving(dispatcher, tokens, hosts) as found:

            async def answer(*given: Any) -> bytes | None:
                body = await found.answer(*given)
                fast.append(body is not None)
                return body

            yield Endpoint(answer, found.handle)

    store = await open_store(sqlite_url)
    async with serving(store, 42, mcp=watched) as surface:
        headers = {"Authorization": f"Bearer {await surface.token()}"}
        headers |= {"Accept": "application/json, text/event-stream"}

        async def ask() -> Any:
            found = await surface.send("POST", "/mcp", json=CALL, headers=headers)
            return found.status, found.data

        flags = surface.dispatcher.shared.flags
        by_fast_path = await ask()
        assert fast == [True]
        await put(store, flags, MCP_FAST_PATH, "off", 42)
        assert (await ask())[0] == by_fast_path[0] == 200
        assert (await ask())[1]["result"].keys() == by_fast_path[1]["result"].keys()
        assert fast == [True], "the library answered"
        await put(store, flags, MCP_FAST_PATH, "on", 42)
        await ask()
        assert fast == [True, True]
        assert await counts(store, flags, MCP_FAST_PATH) == {False: (2, 0), True: (1, 0)}
    await store.close()


@pytest.mark.parametrize("value", ["on", "off"])
async def test_without_joint_requests_each_write_of_the_bot_has_its_own(
    workspace: Workspace, value: str
) -> None:
    agent, board = await with_board(workspace)
    flags, here = workspace.sender.flags, workspace.installation.id
    await put(workspace.store, flags, JOINT_REQUESTS, value, here)
    mine = await claimed(workspace, agent)
    issue, before = mine.pop("issue"), len(workspace.github.requests)
    workspace.person.close(issue)
    await workspace.settle()
    requests = since(workspace, before)
    assert len(requests) == (1 if value == "on" else 2)
    assert status_of(board, issue) == "Done"
    assert "completed" in issue.comments[0].body
    store = workspace.store
    await flags.refresh(store)
    q = "SELECT is_on, calls, errors FROM flag_counts WHERE installation_id = :i"
    (row,) = await workspace.rows(q)
    assert (row["is_on"], row["errors"]) == (int(value == "on"), 0)
    assert row["calls"] >= 2
    await store.write(lambda tx: setting.clear(tx, here, JOINT_REQUESTS))
