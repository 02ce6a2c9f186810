"""kill -9 at any statement of a cancellation or a retry leaves the whole of it, or nothing."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.database_content import content
from tests.support.story import Workspace
from tests.support.workflows import start

TEXT = """
steps:
  - {id: make, title: Make it, body: Work., on_failure: {compensate: unmake}}
  - {id: ship, title: Ship it, body: Work., needs: [make]}
  - {id: unmake, title: Unmake it, body: Work.}
"""
# Fewer would not be a call that changes a whole workflow.
FEWEST = 50


async def call_in_processes(
    workspace: Workspace, url: str, unchanged: Callable[[str], Awaitable[None]], **call: Any
) -> int:
    """Check after each process that is killed. Return how many statements the call took."""
    asked = {
        "url": url,
        "clock": workspace.clock(),
        "secret": workspace.dispatcher.shared.keys._secret.decode(),
        "installation_id": workspace.installation.id,
        "agent": "lea",
        "role": "tech-lead",
        **call,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.killed_call", json.dumps(asked)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    found = ""
    async for line in process.stdout:
        how, found = line.decode().split()
        if how == "killed":
            await unchanged(found)
            process.stdin.write(b"\n")
    assert await process.wait() == 0
    return int(found)


@pytest.mark.parametrize("operation", ["cancel_workflow", "retry_workflow"])
async def test_a_killed_call_leaves_no_half_of_the_workflow(
    workspace: Workspace, store_url: str, operation: str
) -> None:
    flow = await start(workspace, TEXT)
    ada, _ = await workspace.agent("ada"), await workspace.agent("lea", "tech-lead")
    if operation == "retry_workflow":
        await flow.do(ada, "make", "failed")
    else:
        await flow.claim(ada, "make")
    call = {"operation": operation, "arguments": {"workflow": flow.id}}
    before = await content(workspace)

    async def unchanged(at: str) -> None:
        assert await content(workspace) == before, at

    found = await call_in_processes(workspace, store_url, unchanged, **call)
    assert found > FEWEST
    states = await flow.states()
    if operation == "cancel_workflow":
        assert states == {"make": "cancelled", "ship": "cancelled", "unmake": "open"}
    else:
        assert states == {"make": "open", "ship": "waiting", "unmake": "waiting"}
