"""kill -9 at any statement of a cancellation or a retry leaves the whole of it, or nothing."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.database_content import content
from tests.support.story import Workspace
from tests.support.workflows import Played, start

TEXT = """
steps:
  - {id: make, title: Make it, body: Work., on_failure: {compensate: unmake}}
  - {id: ship, title: Ship it, body: Work., needs: [make]}
  - {id: unmake, title: Unmake it, body: Work.}
"""
# Fewer would not be a call that changes a whole workflow.
FEWEST = 50


@dataclass(frozen=True)
class Killed:
    """A program that calls operations in processes which are killed."""

    process: asyncio.subprocess.Process
    workspace: Workspace
    url: str

    async def call(
        self, unchanged: Callable[[str], Awaitable[None]], operation: str, **arguments: Any
    ) -> int:
        """Check after each process that is killed. Return how many statements the call took."""
        asked = {
            "url": self.url,
            "clock": self.workspace.clock(),
            "secret": self.workspace.dispatcher.shared.keys._secret.decode(),
            "installation_id": self.workspace.installation.id,
            "agent": "lea",
            "role": "tech-lead",
            "operation": operation,
            "arguments": arguments,
        }
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{json.dumps(asked)}\n".encode())
        while True:
            how, found = (await self.process.stdout.readline()).decode().split()
            if how == "ended":
                return int(found)
            await unchanged(found)
            self.process.stdin.write(b"\n")


@asynccontextmanager
async def open_killed(workspace: Workspace, url: str) -> AsyncIterator[Killed]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.killed_call"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    yield Killed(process, workspace, url)
    assert process.stdin
    process.stdin.close()
    assert await process.wait() == 0


async def test_a_killed_call_leaves_no_half_of_the_workflow(
    workspace: Workspace, store_url: str
) -> None:
    ada, _ = await workspace.agent("ada"), await workspace.agent("lea", "tech-lead")

    async def killed(flow: Played, operation: str) -> dict[str, str]:
        before = await content(workspace)

        async def unchanged(at: str) -> None:
            assert await content(workspace) == before, at

        assert await program.call(unchanged, operation, workflow=flow.id) > FEWEST
        return await flow.states()

    async with open_killed(workspace, store_url) as program:
        flow = await start(workspace, TEXT)
        await flow.claim(ada, "make")
        states = await killed(flow, "cancel_workflow")
        assert states == {"make": "cancelled", "ship": "cancelled", "unmake": "open"}
        flow = await start(workspace, TEXT)
        await flow.do(ada, "make", "failed")
        states = await killed(flow, "retry_workflow")
        assert states == {"make": "open", "ship": "waiting", "unmake": "waiting"}
