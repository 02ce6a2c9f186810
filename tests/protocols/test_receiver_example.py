"""The receiver of docs/reference/protocols.md, as it stands there."""

import asyncio
import re
from collections.abc import AsyncIterator
from http.server import HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from bot.notifications.targets import new_secret
from tests.support.agent_endpoints import courier, deliveries, lead, set_endpoint
from tests.support.api_keys import add_api_key
from tests.support.engines import ON_SQLITE
from tests.support.login import LoginServer, open_login_server
from tests.support.story import Workspace

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "protocols.md"


@pytest.fixture
async def server(workspace: Workspace) -> AsyncIterator[LoginServer]:
    async with open_login_server(workspace) as made:
        yield made


def example() -> str:
    section = DOCS.read_text().partition("### A receiver\n")[2]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1]


def test_the_example_is_short() -> None:
    assert len([each for each in example().splitlines() if each.strip()]) <= 36


@ON_SQLITE
async def test_the_documented_receiver_acknowledges_and_claims(
    server: LoginServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, secret = server.workspace, new_secret()
    i, keys = workspace.installation.id, server.keys
    token = await workspace.store.write(lambda tx: add_api_key(tx, keys, i, "worker", "developer"))
    await workspace.agent("worker")
    monkeypatch.setenv("HUBBUB_SIGNING_SECRET", secret)
    monkeypatch.setenv("HUBBUB_TOKEN", token)
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(compile(example(), "receiver", "exec"), names)  # noqa: S102 - our own documentation
    names["time"] = SimpleNamespace(time=workspace.clock.now)
    listening = HTTPServer(("127.0.0.1", 0), names["Receiver"])
    thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        url = f"http://127.0.0.1:{listening.server_port}/"
        await set_endpoint(workspace, "worker", "callback", url, secret=secret)
        issue = await workspace.task()
        name = workspace.name(issue)
        await lead(workspace).call("assign_task", task=name, agent_id="worker")
        await courier(workspace, url=server.url).drain()
    finally:
        await asyncio.to_thread(listening.shutdown)
        thread.join()
        listening.server_close()
    assert await deliveries(workspace) == [("task", "delivered", 0)]
    shown = await lead(workspace).call("get_task", task=name)
    assert shown["task"]["holder"] == "worker"
