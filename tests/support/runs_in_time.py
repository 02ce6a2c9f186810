"""Agent runs that start without an operation, and how they are later."""

from typing import Any

from bot.runs import spawning
from bot.runs.run_rows import RunRequest
from fixtures.github import Issue
from store.engine.transaction import Tx
from store.mirror import stored_repositories
from store.runs import runs
from store.tables.runs import AgentRunRow
from store.tasks import tasks
from tests.support.story import Workspace


async def spawn(
    workspace: Workspace, issue: Issue | None = None, by: str = "@octocat", **wanted: Any
) -> AgentRunRow:
    """Start a run, as an operation does, and let the workspace come to rest."""
    made = await queue(workspace, issue, by, **wanted)
    await workspace.settle()
    return await run_of(workspace, made)


async def queue(
    workspace: Workspace, issue: Issue | None = None, by: str = "@octocat", **wanted: Any
) -> AgentRunRow:
    """Start a run. Nothing is sent yet."""
    here = (workspace.installation.id, workspace.repository.id)

    async def work(tx: Tx) -> AgentRunRow:
        task = await tasks.by_number(tx, *here, issue.number) if issue else None
        repository = await stored_repositories.repository_by_id(tx, *here)
        assert repository is not None
        given = {"template": "fixer", "prompt": "Work", "currency": "USD", **wanted}
        return await spawning.spawn(tx, repository, task, RunRequest(asked_by=by, **given))

    return await workspace.store.write(work)


async def run_of(workspace: Workspace, run: AgentRunRow) -> AgentRunRow:
    """The run as it is now."""
    here = (workspace.installation.id, run["id"])
    found = await workspace.store.read(lambda tx: runs.get(tx, *here))
    assert found is not None
    return found


async def states(workspace: Workspace) -> list[str]:
    """The states of all runs, the oldest first."""
    rows = await workspace.rows(
        "SELECT state FROM agent_runs WHERE installation_id = :i ORDER BY id"
    )
    return [row["state"] for row in rows]
