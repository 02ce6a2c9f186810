"""Carries out what was decided about a workflow, in the transaction that caused it."""

from typing import Any

from bot.comments import orphaned_pulls
from bot.identity.actors import BOT
from bot.kernel.sentences import code, shorten
from bot.tasks import issue_state, lifecycle, publishing
from bot.tasks.states import CLAIMABLE, OPEN
from bot.times import SECOND
from bot.workflows.execution import (
    hold_texts,
    opening,
    step_relations,
    timeouts,
    tool_steps,
    workflow_log,
)
from bot.workflows.execution.decisions import decide
from bot.workflows.execution.flow_actions import (
    Action,
    End,
    Fail,
    Finish,
    Hold,
    Open,
    Release,
    Reopen,
    Restart,
    Retry,
    Skip,
    Wait,
)
from bot.workflows.execution.flows import Loaded, flow_of
from bot.workflows.gates import gates, open_gates
from store.contexts import contexts
from store.engine.transaction import Tx
from store.outbox import writes
from store.tables.tasks import TaskState
from store.tasks import tasks
from store.tasks.tasks import FullTask
from store.workflows import needs, steps, workflows

LONGEST_WHY = 600
# Between two edits of the card of the parent, for the ends of its steps.
SHOW_EVERY = 60 * SECOND


async def go_on(tx: Tx, loaded: Loaded) -> None:
    """Do what is to be done in the workflow now."""
    for action in decide(flow_of(loaded)):
        await carry_out(tx, loaded, action)
    for key in loaded.steps:
        await _keep_from_agents(tx, loaded, key)
    await _show_progress(tx, loaded)


async def _keep_from_agents(tx: Tx, loaded: Loaded, key: str) -> None:
    """Hold the task of a step that a tool does, also after a person ended their own hold.

    While the step was out of the workflow a person may have given it to somebody, who keeps it.
    """
    row, task = loaded.steps[key], loaded.task(key)
    tool = row["definition"].get("tool")
    if not tool or row["state"] not in ("open", "waiting"):
        return
    if task is None or task["held"] or task["state"] not in CLAIMABLE:
        return
    await refresh(tx, loaded, key)
    if row["state"] == "open":
        await hold_task(tx, loaded, key, hold_texts.during_call(tool))
        await _call(tx, loaded, key)
    else:
        await hold_task(tx, loaded, key, hold_texts.before_call(tool))


async def _call(tx: Tx, loaded: Loaded, key: str) -> None:
    """Let Hubbub call the step's tool, unless a call is under way."""
    if loaded.steps[key]["definition"].get("tool"):
        loaded.steps[key] = await tool_steps.make_due(tx, loaded.steps[key])


async def _show_progress(tx: Tx, loaded: Loaded) -> None:
    """Show the steps on the card of the parent, but not at each of several ends in a minute.

    People wait for how the workflow ended, so that goes out like what they did.
    """
    parent = await tasks.get(tx, loaded.installation_id, loaded.workflow["parent_task_id"])
    if parent is None:
        return
    if loaded.workflow["state"] == "running":
        await publishing.show(tx, parent, makes_card=True, spacing=SHOW_EVERY)
    else:
        every = publishing.EVERY_FOR_PEOPLE
        await publishing.show(tx, parent, lane=writes.PEOPLE, makes_card=True, spacing=every)


async def carry_out(tx: Tx, loaded: Loaded, action: Action) -> None:
    """Do it, and keep `loaded` as it is then."""
    match action:
        case Open(key):
            await _open(tx, loaded, key)
        case End(key, state):
            await _end(tx, loaded, key, state)
        case Reopen(key):
            await _reopen(tx, loaded, key)
        case Retry(key, attempt):
            await _retry(tx, loaded, key, attempt)
        case Skip(key, why):
            await _skip(tx, loaded, key, why)
        case Hold(key, why):
            await _hold(tx, loaded, key, why)
        case Wait(key):
            await _wait(tx, loaded, key)
        case Release(key, need):
            await _release(tx, loaded, key, need)
        case _:
            await _change_workflow(tx, loaded, action)


async def _change(tx: Tx, loaded: Loaded, key: str, **values: Any) -> None:
    loaded.steps[key] = await steps.change(tx, loaded.steps[key], **values)


async def refresh(tx: Tx, loaded: Loaded, key: str) -> FullTask | None:
    """Lock the step's task, and read it again."""
    task_id = loaded.steps[key]["task_id"]
    task = await tasks.lock(tx, loaded.installation_id, task_id)
    if task is None:
        loaded.tasks.pop(task_id, None)
    else:
        loaded.tasks[task_id] = task
    return task


async def _log(tx: Tx, loaded: Loaded, what: str, key: str, **data: Any) -> None:
    row = loaded.steps[key]
    about = {"step": key, "task": row["task_id"], "attempt": row["attempts"] + 1, **data}
    await workflow_log.record(tx, loaded.workflow, f"workflow.{what}", BOT, **about)


async def _open(tx: Tx, loaded: Loaded, key: str) -> None:
    """Let the step begin. The context has the version that a retry restores."""
    task, step = await refresh(tx, loaded, key), loaded.step(key)
    if step.approve is not None:
        await hold_task(tx, loaded, key, gates.hold_reason(step.approve))
    elif step.tool is not None and task is not None and task["state"] in CLAIMABLE:
        await hold_task(tx, loaded, key, hold_texts.during_call(step.tool))
    elif task is not None and hold_texts.is_of_workflow(task):
        await lifecycle.resume(tx, task, BOT)
    version = await context_version(tx, loaded)
    here = (tx, loaded.workflow, loaded.steps[key])
    loaded.steps[key] = await opening.open_step(*here, context_version=version)
    await _call(tx, loaded, key)
    await refresh(tx, loaded, key)
    await _announce_gate(tx, loaded, key)


async def _reopen(tx: Tx, loaded: Loaded, key: str) -> None:
    """Let a step go on whose task somebody retried. A gate asks for votes again."""
    await _change(tx, loaded, key, state="open", ended_at=None, call_at=None, call_id=None)
    await _hold_for_call(tx, loaded, key)
    if (gate := loaded.step(key).approve) is not None:
        await refresh(tx, loaded, key)
        await hold_task(tx, loaded, key, gates.hold_reason(gate))
        await _announce_gate(tx, loaded, key)


async def _hold_for_call(tx: Tx, loaded: Loaded, key: str, pause: int = 0) -> None:
    """Let Hubbub call the tool of a step whose task is pending again, if it has one."""
    if (tool := loaded.step(key).tool) is not None:
        task = await refresh(tx, loaded, key)
        if task is not None and task["state"] not in CLAIMABLE:
            return
        await hold_task(tx, loaded, key, hold_texts.during_call(tool))
        loaded.steps[key] = await tool_steps.make_due(tx, loaded.steps[key], pause)


async def _announce_gate(tx: Tx, loaded: Loaded, key: str) -> None:
    """Show and tell that a gate can be decided, if the step is one.

    Votes from before were about work that has been done again since.
    """
    task, gate = loaded.task(key), loaded.step(key).approve
    if task is not None and gate is not None:
        await open_gates.forget_votes(tx, loaded.steps[key])
        await open_gates.announce(tx, task, gate, loaded.steps[key])


async def context_version(tx: Tx, loaded: Loaded) -> int | None:
    """The version that the workflow's context has now."""
    if (context_id := loaded.workflow["context_id"]) is None:
        return None
    row = await contexts.get(tx, loaded.installation_id, context_id)
    return row["version"] if row else None


async def _end(tx: Tx, loaded: Loaded, key: str, state: str) -> None:
    times = {"ended_at": await tx.now(), "deadline_at": None}
    await _change(tx, loaded, key, state=state, **times)
    if state == "failed":
        await _log(tx, loaded, "step_failed", key, why=reason(loaded.task(key)))


def reason(task: FullTask | None) -> str | None:
    """Why the task failed, in the words of its holder, or of the one who ended it."""
    said = (task["decision"] or task["result"] or task["note"]) if task else None
    return shorten(said) if said else None


async def _retry(tx: Tx, loaded: Loaded, key: str, attempt: int) -> None:
    deadline = timeouts.deadline(loaded.step(key), await tx.now())
    await _change(tx, loaded, key, attempts=attempt, deadline_at=deadline)
    task = await refresh(tx, loaded, key)
    if task is None or task["state"] in OPEN:
        return
    because = reason(task)
    most = loaded.step(key).retry + 1
    why = f"attempt {attempt + 1} of {most}" + (
        f", because it failed: {because}" if because else ""
    )
    await lifecycle.move(tx, task, "pending", BOT, why)
    await refresh(tx, loaded, key)
    await _hold_for_call(tx, loaded, key, tool_steps.pause_before(attempt))


async def _skip(tx: Tx, loaded: Loaded, key: str, why: str) -> None:
    await _change(tx, loaded, key, state="skipped", ended_at=await tx.now())
    await _log(tx, loaded, "step_skipped", key, why=why)
    await end_task(tx, loaded, key, "cancelled", f"skipped: {why}")


async def end_task(
    tx: Tx, loaded: Loaded, key: str, state: TaskState, why: str, actor: str = BOT
) -> None:
    """End the step's task, and close its issue."""
    task = await refresh(tx, loaded, key)
    if task is not None:
        await end(tx, task, state, why, actor)
        await refresh(tx, loaded, key)


async def end(tx: Tx, task: FullTask, state: TaskState, why: str, actor: str = BOT) -> None:
    """End a locked task and close its issue; GitHub gets no issue that it does not have yet."""
    if task["state"] not in OPEN:
        return
    if task["number"] is None:
        await step_relations.cancel_new_issue(tx, task)
    await lifecycle.move(tx, task, state, actor, why)
    if state == "cancelled":
        await orphaned_pulls.flag(tx, task)
    after = await tasks.get(tx, task["installation_id"], task["id"])
    if after is not None:
        await issue_state.follow(tx, after)


async def _hold(tx: Tx, loaded: Loaded, key: str, why: str) -> None:
    await _change(tx, loaded, key, state="waiting", deadline_at=None, call_at=None)
    await refresh(tx, loaded, key)
    await hold_task(tx, loaded, key, why)


async def _wait(tx: Tx, loaded: Loaded, key: str) -> None:
    """Take an open gate back. Its task stays on hold, and its card no longer asks."""
    await _change(tx, loaded, key, state="waiting", deadline_at=None)
    task = await refresh(tx, loaded, key)
    if task is not None:
        await publishing.show(tx, task, lane=writes.PEOPLE)


async def hold_task(tx: Tx, loaded: Loaded, key: str, why: str) -> None:
    """Put the task on hold, or give the hold of its workflow another reason."""
    task = loaded.task(key)
    if task is None or task["state"] not in OPEN:
        return
    if (not task["held"] or hold_texts.is_of_workflow(task)) and task["held_why"] != why:
        await lifecycle.hold(tx, task, BOT, why)
        await refresh(tx, loaded, key)


async def _release(tx: Tx, loaded: Loaded, key: str, need: str) -> None:
    """Remove the relation on GitHub, because the issue of the need stays open."""
    row = loaded.need(key, need)
    await needs.release(tx, row)
    row["state"] = "released"
    task, other = loaded.task(key), loaded.task(need)
    if task is not None and other is not None:
        await step_relations.remove(tx, task, other)


async def _change_workflow(tx: Tx, loaded: Loaded, action: Action) -> None:
    match action:
        case Finish():
            await finish(tx, loaded, BOT, None)
        case Fail(failed):
            which = " and ".join(map(code, failed))
            await end_workflow(tx, loaded, "failed", BOT, f"{which} failed")
        case Restart(key):
            await restart(tx, loaded, BOT, key, f"{code(key)} is tried again")


async def finish(tx: Tx, loaded: Loaded, actor: str, why: str | None) -> None:
    """Complete the workflow, and its parent issue unless a person holds that back."""
    await end_workflow(tx, loaded, "completed", actor, why)
    parent = await tasks.lock(tx, loaded.installation_id, loaded.workflow["parent_task_id"])
    if parent is None or (parent["held"] and parent["held_by"] != BOT):
        return
    await end(tx, parent, "completed", f"all steps of its workflow {loaded.workflow['name']} ended")


async def end_workflow(tx: Tx, loaded: Loaded, state: str, actor: str, why: str | None) -> None:
    said = why[:LONGEST_WHY] if why else None
    times = {"ended_at": await tx.now()}
    loaded.workflow = await workflows.change(tx, loaded.workflow, state=state, why=said, **times)
    await workflow_log.record(tx, loaded.workflow, f"workflow.{state}", actor, why=said)


async def restart(tx: Tx, loaded: Loaded, actor: str, key: str, why: str) -> None:
    """Let a workflow that ended go on from a step."""
    again = {"state": "running", "why": None, "ended_at": None}
    loaded.workflow = await workflows.change(tx, loaded.workflow, **again)
    about = {"step": key, "task": loaded.steps[key]["task_id"], "why": why}
    await workflow_log.record(tx, loaded.workflow, "workflow.retried", actor, **about)
