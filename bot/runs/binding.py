"""Binds each agent run to its workflow run, one to one.

GitHub's answer to the dispatch names the workflow run. If it does not, the webhook of the workflow
run has the agent run's id in its title, or the job passes the id when it gets its session.
"""

import re
from typing import Any

from bot.identity.actors import BOT
from bot.runs import endings, requests, steps
from bot.times import SECOND
from store.engine.transaction import Tx
from store.mirror import workflow_runs
from store.runs import runs
from store.tables.builds import WorkflowRunRow
from store.tables.outbox import WriteRow
from store.tables.runs import AgentRunRow

# The id of an agent run in the title of a workflow run.
RUN_ID = re.compile(r"\br_[0-9a-z]{20}\b")
# The event of a workflow run that Hubbub started. The title of one with another event, such as a
# pull request, is written by strangers.
EVENT = "workflow_dispatch"
# GitHub's clock and ours may differ so much.
MARGIN = 60 * SECOND


async def bind(
    tx: Tx, run_id: str, installation_id: int, workflow_run_id: int, attempt: int = 1
) -> AgentRunRow | None:
    """Bind the run, and return it locked. None if either one belongs to another, or has ended."""
    run = await runs.lock(tx, installation_id, run_id)
    if run is None or run["workflow_run_id"] == workflow_run_id:
        return run
    if run["workflow_run_id"] is not None or run["state"] not in runs.LIVE:
        return None
    if await runs.of_workflow_run(tx, installation_id, workflow_run_id) is not None:
        return None
    # GitHub can cancel a stopping run only now that its workflow run is known.
    due = {"due_at": await tx.now()} if run["state"] == "stopping" else {}
    bound = {"workflow_run_id": workflow_run_id, "run_attempt": attempt}
    return await runs.change(tx, run, **bound, **due)


async def bind_sent(tx: Tx, write: WriteRow, result: dict[str, Any]) -> None:
    """Bind the run that this dispatch started, if GitHub said which one it is."""
    i, workflow_run_id = write["installation_id"], result.get("run_id")
    run = await runs.of_write(tx, i, write["id"])
    if run is None or workflow_run_id is None or not is_exact(result, run["id"]):
        return
    bound = await _bind_surely(tx, run, workflow_run_id)
    # Its webhooks may have come before the answer.
    row = bound and await workflow_runs.workflow_run(tx, i, workflow_run_id)
    if bound and row and row["status"] == "in_progress":
        await steps.record(tx, bound, "start", BOT)
    elif bound and row:
        await endings.apply_end(tx, row, None)


async def _bind_surely(tx: Tx, run: AgentRunRow, workflow_run_id: int) -> AgentRunRow | None:
    """Bind the run to what GitHub says that the dispatch started, whatever a title said before.

    Cancel that if the run has ended meanwhile, because nobody waits for it.
    """
    here = (run["installation_id"], workflow_run_id)
    locked = await runs.lock(tx, run["installation_id"], run["id"])
    is_other = locked is not None and locked["workflow_run_id"] != workflow_run_id
    if locked is None or await runs.of_workflow_run(tx, *here) is not None:
        return None if is_other else locked
    if locked["state"] not in runs.LIVE:
        await requests.queue(tx, locked, "workflow_cancel", workflow_run_id)
        return None
    await runs.change(tx, locked, workflow_run_id=None)
    return await bind(tx, run["id"], *here)


def is_exact(result: dict[str, Any], run_id: str) -> bool:
    """Whether the result surely names this run's workflow run.

    A look after an unknown outcome finds it by its title, which the workflow may lack.
    """
    return "title" not in result or named_in(result["title"]) == run_id


def named_in(title: str) -> str | None:
    """The agent run that the title of a workflow run names. None if it names several.

    A prompt in the title may name the run of somebody else.
    """
    named = set(RUN_ID.findall(title))
    return named.pop() if len(named) == 1 else None


async def end_unsent(tx: Tx, write: WriteRow, why: str) -> None:
    """End the run whose workflow this write could not start."""
    run = await runs.of_write(tx, write["installation_id"], write["id"])
    if run is not None:
        await endings.end(tx, run, "not_started", BOT, f"its workflow was not started: {why}")


async def follow(tx: Tx, row: WorkflowRunRow, _: WorkflowRunRow | None) -> None:
    """Bind the agent run of a workflow run, and note when it begins to work."""
    if row["event"] != EVENT:
        return
    found = await runs.of_workflow_run(tx, row["installation_id"], row["id"])
    run_id = found["id"] if found else await _named_run(tx, row)
    if run_id is None:
        return
    run = await bind(tx, run_id, row["installation_id"], row["id"], row["run_attempt"])
    if run is not None and row["status"] == "in_progress":
        await steps.record(tx, run, "start", BOT)


async def _named_run(tx: Tx, row: WorkflowRunRow) -> str | None:
    """The agent run that the title names, if this can be its workflow run."""
    run_id = named_in(row["title"])
    run = await runs.get(tx, row["installation_id"], run_id) if run_id else None
    return run["id"] if run is not None and _fits(run, row) else None


def _fits(run: AgentRunRow, row: WorkflowRunRow) -> bool:
    began = run["dispatched_at"]
    return (
        run["repository_id"] == row["repository_id"]
        and run["workflow_run_id"] is None
        and row["head_branch"] == short_ref(run["ref"])
        and began is not None
        and row["created_at"] >= began - MARGIN
    )


def short_ref(ref: str) -> str:
    """`main` of `refs/heads/main`."""
    return re.sub(r"^refs/(heads|tags)/", "", ref)
