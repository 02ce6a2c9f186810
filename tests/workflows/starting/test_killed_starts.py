"""A process that is killed while it starts a workflow leaves no half graph, and no issue twice."""

import asyncio
import signal
import sys

from tests.support.killed_starts import CALL, COMMITTED, KEY
from tests.support.story import Workspace
from tests.support.workflows import define

TABLES = ("tasks", "writes", "workflows", "workflow_steps", "workflow_needs", "contexts")


async def counts(workspace: Workspace) -> list[int]:
    found = []
    for table in TABLES:
        q = f"SELECT COUNT(*) AS n FROM {table} WHERE installation_id = :i"
        found.append((await workspace.rows(q))[0]["n"])
    return found


async def test_a_kill_at_any_point_leaves_nothing_or_the_whole_workflow(
    workspace: Workspace, store_url: str
) -> None:
    await define(workspace)
    ada = await workspace.agent("ada")
    arguments = (store_url, str(workspace.installation.id), str(workspace.clock()))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.killed_starts",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    lines = [each.rsplit(" ", 1) for each in out.decode().splitlines()]
    assert len(lines) > 15, errors.decode()
    assert {status for _, status in lines} == {str(int(signal.SIGKILL))}
    assert lines[-1][0] == COMMITTED
    # Only the last process came to its commit, so there is one workflow, and all of it.
    assert await counts(workspace) == [5, 13, 1, 4, 4, 1]
    again = await workspace.dispatcher.call(ada.actor, "start_workflow", CALL, KEY)
    assert len(again["steps"]) == 4
    await workspace.settle()
    titles = [each.title for each in workspace.repository.issues.values()]
    assert len(titles) == len(set(titles)) == 5
    assert (await counts(workspace))[2:5] == [1, 4, 4]
