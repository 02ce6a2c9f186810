"""Requests to GitHub about the workflow run of an agent run."""

from bot.identity.actors import BOT
from store.engine.transaction import Tx
from store.outbox import writes
from store.tables.runs import AgentRunRow


async def queue(tx: Tx, run: AgentRunRow, kind: str, workflow_run_id: int | None = None) -> None:
    """Queue a request to cancel a workflow run: the bound one, or another of this agent run."""
    target = workflow_run_id or run["workflow_run_id"]
    await writes.queue(
        tx,
        run["installation_id"],
        kind=kind,
        repository_id=run["repository_id"],
        target=f"run {run['repository_id']} {target}",
        arguments={"run_id": target},
        author=BOT,
        task_id=run["task_id"],
        lane=writes.PEOPLE,
    )
