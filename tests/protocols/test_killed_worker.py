"""A run with a model goes on after its process was killed in the middle of a turn."""

import asyncio
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.identity.keyring import Keys
from tests.support.agent_endpoints import deliveries, lead, set_endpoint
from tests.support.engines import ON_SQLITE
from tests.support.model_endpoint import Answer, Model, calls, open_model, says
from tests.support.server_process import SECRET, START_S, environment, settings
from tests.support.story import Clock, Workspace


@pytest.fixture
def clock() -> Clock:
    """Behind that of the workers, which have the real time, also after the workspace waited."""
    made = Clock()
    made.at = int((time.time() - 3600) * 1_000_000)
    return made


@asynccontextmanager
async def working(
    workspace: Workspace, url: str, model: Model, folder: Path
) -> AsyncIterator[Process]:
    given = settings(url, workspace.github)
    given["HUBBUB_TRUSTED_ORIGINS"] = model.url.removesuffix("/v1")
    command = (sys.executable, "-m", "bot", "worker")
    made = await asyncio.create_subprocess_exec(*command, env=environment(given), cwd=folder)
    try:
        yield made
    finally:
        if made.returncode is None:
            made.kill()
        await made.wait()


async def state(workspace: Workspace, task: str) -> str:
    return str((await lead(workspace).call("get_task", task=task))["task"]["state"])


@ON_SQLITE
async def test_a_worker_killed_in_the_middle_of_a_turn_is_followed_by_another(
    workspace: Workspace, store_url: str, tmp_path: Path
) -> None:
    shared = replace(workspace.dispatcher.shared, keys=Keys(SECRET))
    workspace.dispatcher.shared = shared
    await workspace.agent("ada")
    task = workspace.name(await workspace.task())
    thinks, may_answer = asyncio.Event(), asyncio.Event()

    async def think(_: dict[str, Any]) -> Answer:
        thinks.set()
        await may_answer.wait()
        return says("Nobody hears this.")

    ends = {"task": task, "status": "failed", "note": "No valve."}
    asks = calls(("send_message", {"to": "ada", "body": "Which valve?"}))
    async with open_model(asks, think, calls(("update_task_status", ends))) as model:
        await set_endpoint(workspace, "coder", "openai", model.url, options={"model": "m-1"})
        await lead(workspace).call("assign_task", task=task, agent_id="coder")
        async with working(workspace, store_url, model, tmp_path) as killed:
            async with asyncio.timeout(START_S):
                await thinks.wait()
            killed.kill()
        may_answer.set()
        assert await state(workspace, task) == "in_progress"
        # As if the time were over for which the killed process had taken the endpoint.
        q = "UPDATE agent_endpoints SET taken_until = 0 WHERE installation_id = :i"
        i = workspace.installation.id
        await workspace.store.write(lambda tx: tx.run(q, i=i))
        async with working(workspace, store_url, model, tmp_path) as after:
            async with asyncio.timeout(START_S):
                while (await deliveries(workspace))[0][1] != "delivered":  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            after.terminate()
            assert await after.wait() == 0
    assert await state(workspace, task) == "failed"
    assert len(model.requests) == 3
    # The turn that was lost is asked for again, with the result that the turn before it had.
    assert model.requests[1]["messages"] == model.requests[2]["messages"]
    sent = await workspace.rows("SELECT id FROM messages WHERE installation_id = :i")
    assert len(sent) == 1
    reports = await workspace.rows("SELECT id FROM usage_reports WHERE installation_id = :i")
    assert len(reports) == 2
