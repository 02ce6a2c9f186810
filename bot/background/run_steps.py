"""What happens to agent runs over time: starts that do not come, deadlines, stops in steps.

A webhook that did not come proves nothing. So Hubbub asks GitHub how the run is, and believes the
answer.
"""

from collections.abc import Awaitable, Callable

from bot.background.attempts import attempt
from bot.identity.actors import BOT
from bot.mirror import reads
from bot.outbox import cancellation
from bot.repository.workflow_sessions import COMPLETED
from bot.runs import binding, deadlines, endings, requests, terminating
from bot.times import span
from store.engine.transaction import Store, Tx
from store.fetch import pending_reads
from store.mirror import workflow_runs
from store.outbox import writes
from store.runs import run_queue, runs
from store.runs.run_queue import RunKey
from store.tables.builds import WorkflowRunRow
from store.tables.runs import ASKED, CANCELLING, FORCING, AgentRunRow, RunState

BATCH = 100
# GitHub's states of a run that a person must let begin, by a rule of an environment.
AWAITS_PERSON = ("waiting", "action_required")
NO_RUN = "GitHub shows no workflow run for it"
NO_RUNNER = f"no runner took its job within {span(deadlines.START_WITHIN)}"
GIVEN_UP = (
    "GitHub still shows its workflow run as running after Hubbub asked it to cancel the run, also "
    "by force; stop its runner by hand"
)
# What Hubbub asks of GitHub at each step of a stop, and the step after it.
REQUESTS = {ASKED: ("workflow_cancel", CANCELLING), CANCELLING: ("workflow_force_cancel", FORCING)}


async def step(store: Store) -> int:
    """Look at the runs that are due, each in a transaction of its own. Return how many."""
    due = await store.read(lambda tx: run_queue.due(tx, BATCH))
    steps = [
        await attempt(_take_and_look(store, each), "run not looked at", run=each.id) for each in due
    ]
    return sum(steps)


async def _take_and_look(store: Store, key: RunKey) -> bool:
    # One of several processes takes the run. If it dies, the run is due again soon.
    if await store.write(lambda tx: run_queue.take(tx, key, deadlines.LOOK_WAIT)):
        await store.write(lambda tx: look(tx, key))
    return True


async def look(tx: Tx, key: RunKey) -> None:
    """Do what is due for the run."""
    run = await runs.get(tx, key.installation_id, key.id)
    if run is not None and run["state"] in LOOKS:
        await LOOKS[run["state"]](tx, run)


async def _look_at_start(tx: Tx, run: AgentRunRow) -> None:
    """A run that GitHub was asked to start, and whose start it has not reported."""
    if await _has_unsent_dispatch(tx, run):
        await _wait(tx, run, deadlines.START_WITHIN)  # the outbox says how a write ends
    elif run["asked_at"] is None:
        await _ask(tx, run)
    elif not await _is_answered(tx, run):
        await _wait_for_answer(tx, run)
    else:
        await _judge_start(tx, run, await _workflow_run(tx, run))


async def _judge_start(tx: Tx, run: AgentRunRow, row: WorkflowRunRow | None) -> None:
    """GitHub has said how the workflow run is."""
    if row is None:
        await endings.end(tx, run, "not_started", BOT, NO_RUN)
    elif row["status"] in ("in_progress", COMPLETED):
        await _follow(tx, row)
    elif row["status"] in AWAITS_PERSON:
        await _wait(tx, run, deadlines.LOOK_EVERY, asked_at=None)
    else:
        await requests.queue(tx, run, "workflow_cancel")  # so that it does not begin later
        await endings.end(tx, run, "not_started", BOT, NO_RUNNER)


async def _follow(tx: Tx, row: WorkflowRunRow) -> None:
    """Apply what the mirror knows, as its effects do."""
    await binding.follow(tx, row, None)
    await endings.apply_end(tx, row)


async def _look_at_running(tx: Tx, run: AgentRunRow) -> None:
    """A run whose time is over, or that Hubbub has not heard of for a while."""
    now = await tx.now()
    row = await _workflow_run(tx, run)
    if row is not None and row["status"] == COMPLETED:
        await _follow(tx, row)
    elif deadlines.is_over(run["deadline_at"], now):
        started = run["started_at"] or now
        lasted = span((run["deadline_at"] or now) - started)
        await terminating.stop_tree(tx, run, BOT, f"its time of {lasted} is over")
    else:
        await _ask(tx, run)
        await runs.change(tx, run, due_at=deadlines.next_look(now, run["deadline_at"]))


async def _look_at_stop(tx: Tx, run: AgentRunRow) -> None:
    """A run that was asked to stop and goes on: one step further."""
    if await _cancel_unsent_dispatch(tx, run):
        return
    if run["stop_step"] == ASKED and run["workflow_run_id"] is not None:
        await _request_next(tx, run)
    elif run["workflow_run_id"] is None and await _has_unsent_dispatch(tx, run):
        await _wait(tx, run, deadlines.LOOK_WAIT)  # the outbox learns which run it started
    elif run["asked_at"] is None:
        await _ask(tx, run)
    elif not await _is_answered(tx, run):
        await _wait_for_answer(tx, run)
    else:
        await _judge_stop(tx, run, await _workflow_run(tx, run))


async def _judge_stop(tx: Tx, run: AgentRunRow, row: WorkflowRunRow | None) -> None:
    if row is None:
        await endings.end(tx, run, "not_started", BOT, NO_RUN)
    elif row["status"] == COMPLETED:
        await _follow(tx, row)
    elif run["stop_step"] in REQUESTS:
        await _request_next(tx, run)
    else:
        await endings.end(tx, run, "cancelled", BOT, GIVEN_UP)


async def _request_next(tx: Tx, run: AgentRunRow) -> None:
    """Ask GitHub to cancel the run. If that was asked before, ask to do it by force."""
    kind, reached = REQUESTS[run["stop_step"]]
    await requests.queue(tx, run, kind)
    await _wait(tx, run, deadlines.CANCEL_WITHIN, stop_step=reached, asked_at=None)


async def _wait(tx: Tx, run: AgentRunRow, length: int, **columns: int | None) -> None:
    await runs.change(tx, run, due_at=await tx.now() + length, **columns)


async def _has_unsent_dispatch(tx: Tx, run: AgentRunRow) -> bool:
    write = await writes.get(tx, run["installation_id"], run["write_id"] or "")
    return write is not None and write["state"] in writes.LIVE


async def _cancel_unsent_dispatch(tx: Tx, run: AgentRunRow) -> bool:
    """Cancel the dispatch if it was not sent yet. Its end also ends the run."""
    write = await writes.get(tx, run["installation_id"], run["write_id"] or "")
    if write is None or write["state"] != "queued":
        return False
    return bool(await cancellation.cancel(tx, write, run["why"] or "stopped", author_knows=True))


def question(run: AgentRunRow) -> reads.Read:
    """The read that says how the run is. Without a bound workflow run, it looks for one."""
    if run["workflow_run_id"] is not None:
        return reads.workflow_run_by_id(run["repository_id"], run["workflow_run_id"])
    since = (run["dispatched_at"] or run["created_at"]) - deadlines.CLOCKS_APART
    return reads.dispatched_runs(run["repository_id"], run["workflow"], since)


async def _ask(tx: Tx, run: AgentRunRow) -> None:
    now = await tx.now()
    await reads.queue(tx, run["installation_id"], question(run))
    await runs.change(tx, run, asked_at=now, due_at=now + deadlines.LOOK_WAIT)


async def _wait_for_answer(tx: Tx, run: AgentRunRow) -> None:
    """Nothing is believed until GitHub answers. It may be away for a while."""
    if (run["asked_at"] or 0) + deadlines.ASK_AGAIN <= await tx.now():
        await _ask(tx, run)
    else:
        await _wait(tx, run, deadlines.LOOK_WAIT)


async def _is_answered(tx: Tx, run: AgentRunRow) -> bool:
    """Whether GitHub has answered since the question."""
    read = question(run)
    row = await pending_reads.get(tx, run["installation_id"], read.kind, read.subject)
    return row is not None and (row["answered_at"] or 0) >= (run["asked_at"] or 0)


async def _workflow_run(tx: Tx, run: AgentRunRow) -> WorkflowRunRow | None:
    if run["workflow_run_id"] is None:
        return None
    return await workflow_runs.workflow_run(tx, run["installation_id"], run["workflow_run_id"])


Look = Callable[[Tx, AgentRunRow], Awaitable[None]]
LOOKS: dict[RunState, Look] = {
    "dispatched": _look_at_start,
    "running": _look_at_running,
    "stopping": _look_at_stop,
}
