"""What an agent leaves when its run in GitHub Actions ends: its leases and reservations."""

from collections.abc import Sequence

from bot.agents import agent_tasks
from bot.identity.actors import BOT
from bot.runs.states import End
from bot.tasks import lifecycle
from store.engine.transaction import Tx
from store.tasks import tasks
from store.tasks.tasks import FullTask

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


async def lock_tasks(tx: Tx, installation_id: int, agent_id: str) -> list[FullTask]:
    """Lock the tasks that the agent holds or that are reserved for it."""
    ids = await agent_tasks.of(tx, installation_id, [agent_id], MOST_TASKS)
    locked = [await tasks.lock(tx, installation_id, each) for each in ids]
    return [each for each in locked if each is not None]


async def release(tx: Tx, held: Sequence[FullTask], agent_id: str, end: End, why: str = "") -> None:
    """End the leases and reservations of an agent whose run has ended. Its tasks are locked.

    Writes that it queued under its leases still go out after a run that succeeded. A task in review
    stays in review: the pull request is there, and others have the next word.
    """
    for task in held:
        if task["assigned_to"] == agent_id:
            await lifecycle.end_reservation(tx, task, BOT, why or REASONS[end])
        elif task["holder"] == agent_id:
            await _end_lease(tx, task, agent_id, end, why or REASONS[end])


async def _end_lease(tx: Tx, task: FullTask, agent_id: str, end: End, why: str) -> None:
    how, actor = ("released", agent_id) if end == "succeeded" else ("revoked", BOT)
    # A task that no agent gets done is put on hold after some failures, and people decide.
    has_failed = end == "failed" and task["state"] != "in_review"
    await lifecycle.release(tx, task, how, why, actor, has_failed=has_failed, keeps_review=True)
