"""What an agent leaves when its run in GitHub Actions ends: leases, reservations and the reason."""

from typing import Literal, TypeAlias

from bot.agents import agent_tasks
from bot.identity.actors import BOT
from bot.tasks import lifecycle
from store.engine.transaction import Tx
from store.tasks import tasks
from store.tasks.tasks import FullTask

End: TypeAlias = Literal["succeeded", "failed", "cancelled", "not_started"]
# What GitHub calls the end of a run. All other conclusions are failures.
# https://docs.github.com/rest/actions/workflow-runs
ENDS: dict[str | None, End] = {
    "success": "succeeded",
    "neutral": "succeeded",
    "cancelled": "cancelled",
    # A condition skipped all of its jobs, or the workflow file is not valid.
    "skipped": "not_started",
    "startup_failure": "not_started",
}
REASONS: dict[End, str] = {
    "succeeded": "its workflow run ended",
    "failed": "its workflow run failed",
    "cancelled": "its workflow run was cancelled",
    "not_started": "its workflow run did not start",
}
# One transaction ends so many. An agent works on few tasks at once.
MOST_TASKS = 300


def end_of(conclusion: str | None) -> End:
    return ENDS.get(conclusion, "failed")


async def release(tx: Tx, installation_id: int, agent_id: str, end: End, why: str = "") -> None:
    """End all leases and reservations of an agent whose run has ended.

    Writes that it queued under its leases still go out after a run that succeeded. A task in review
    stays in review: the pull request is there, and others have the next word.
    """
    why = why or REASONS[end]
    for task_id in await agent_tasks.of(tx, installation_id, [agent_id], MOST_TASKS):
        task = await tasks.lock(tx, installation_id, task_id)
        if task is not None and task["assigned_to"] == agent_id:
            await lifecycle.end_reservation(tx, task, BOT, why)
        elif task is not None and task["holder"] == agent_id:
            await _release(tx, task, agent_id, end, why)


async def _release(tx: Tx, task: FullTask, agent_id: str, end: End, why: str) -> None:
    how, actor = ("released", agent_id) if end == "succeeded" else ("revoked", BOT)
    # A task that no agent gets done is put on hold after some failures, and people decide.
    has_failed = end == "failed" and task["state"] != "in_review"
    await lifecycle.release(tx, task, how, why, actor, has_failed=has_failed, keeps_review=True)
