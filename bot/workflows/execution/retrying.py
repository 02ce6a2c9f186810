"""Lets a workflow that ended go on from steps that failed, or from a given one."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet

from bot.comments import orphaned_pulls
from bot.errors import Refused
from bot.kernel.operation import Context
from bot.kernel.sentences import code
from bot.tasks import issue_state, lifecycle
from bot.tasks.states import CLAIMABLE, OPEN
from bot.workflows.execution import actions, hold_texts, shared_values, step_relations
from bot.workflows.execution.decisions import failures
from bot.workflows.execution.flow_state import ENDED
from bot.workflows.execution.flows import Loaded, flow_of
from store.engine.transaction import Tx
from store.tasks import tasks
from store.tasks.tasks import FullTask
from store.workflows import needs, steps, workflows


async def retry(ctx: Context, loaded: Loaded, step: str | None, note: str) -> list[str]:
    """Begin again with the step, or the steps that ended the workflow. Raise Refused.

    Return what is done again: these steps, and all that depend on them.
    """
    await _check_alone(ctx.tx, loaded)
    starts = _starts(loaded, step)
    again = _with_dependants(loaded, starts)
    version = min(
        (each for key in starts if (each := loaded.steps[key]["context_version"])), default=None
    )
    await shared_values.restore(ctx, loaded.workflow, version, again)
    why = note or f"retried from {' and '.join(map(code, starts))}"
    await actions.restart(ctx.tx, loaded, ctx.actor.name, starts[0], why)
    begun = frozenset(key for key, row in loaded.steps.items() if row["opened_at"] is not None)
    for key in again:
        await _begin_again(ctx, loaded, key, why, begun, is_start=key in starts)
    await _restore_relations(ctx.tx, loaded, again)
    await _reopen_parent(ctx, loaded, why)
    await actions.go_on(ctx.tx, loaded)
    return again


async def _check_alone(tx: Tx, loaded: Loaded) -> None:
    """Raise Refused if this workflow was started again on the same issue and runs there."""
    mine = loaded.workflow
    parents = [mine["parent_task_id"]]
    for each in await workflows.running_of_parents(tx, mine["installation_id"], parents):
        if each["name"] == mine["name"] and each["id"] != mine["id"]:
            raise Refused(
                "workflow_running",
                f"{code(mine['name'])} was started again on this issue: {each['id']} runs. Cancel "
                "that one first. Nothing was changed.",
                workflow=each["id"],
            )


def _starts(loaded: Loaded, step: str | None) -> list[str]:
    """The steps to begin with. The workflow would stop at others that failed, so they are too."""
    found = list(failures(flow_of(loaded)))
    if step is None:
        if loaded.workflow["state"] == "cancelled":
            found += [key for key in loaded.steps if _ended_with_workflow(loaded, key)]
        if not found:
            raise _refusal(loaded, "no step failed. Pass `step` to do one again")
    else:
        _check(loaded, step)
        found = list(dict.fromkeys([step, *found]))
    if not (usable := [key for key in found if _has_issue(loaded, key)]):
        raise _refusal(loaded, "its steps never got issues. Start it again")
    return usable


def _has_issue(loaded: Loaded, key: str) -> bool:
    """Whether the step's task can begin again. One that ended before it had an issue cannot."""
    task = loaded.task(key)
    return task is not None and (task["issue_id"] is not None or task["state"] in OPEN)


def _check(loaded: Loaded, step: str) -> None:
    """Raise Refused unless the step can be done again."""
    row = loaded.steps.get(step)
    if row is None:
        raise Refused(
            "invalid_arguments",
            f"step: {loaded.workflow['id']} has no step {code(step)}. It has "
            f"{', '.join(loaded.steps)}.",
            steps=list(loaded.steps),
        )
    if row["state"] not in ENDED:
        raise _refusal(loaded, f"step {step} has not ended, so there is nothing to retry")
    if row["state"] == "removed" or not _has_issue(loaded, step):
        raise _refusal(loaded, f"step {step} has no issue in the workflow any more")


def _refusal(loaded: Loaded, why: str) -> Refused:
    workflow = loaded.workflow
    return Refused(
        "illegal_transition",
        f"{workflow['id']} is {workflow['state']}: {why}. Nothing was changed.",
        state=workflow["state"],
        legal=[],
    )


def _ended_with_workflow(loaded: Loaded, key: str) -> bool:
    task = loaded.task(key)
    decision = (task["decision"] or "") if task else ""
    return loaded.steps[key]["state"] == "cancelled" and hold_texts.OF_WORKFLOW in decision


def _with_dependants(loaded: Loaded, starts: Collection[str]) -> list[str]:
    """The steps, those that need them, and those that undo one of these; in the file's order."""
    found = set(starts)
    while True:
        more = {each["step"] for each in loaded.needs if each["needs"] in found} - found
        if not more:
            break
        found |= more
    found |= {undo for key in found if (undo := loaded.step(key).compensation)}
    return [
        key
        for key, row in loaded.steps.items()
        if key in found and row["state"] != "removed" and _has_issue(loaded, key)
    ]


async def _begin_again(
    ctx: Context, loaded: Loaded, key: str, why: str, begun: AbstractSet[str], *, is_start: bool
) -> None:
    """`begun`: the steps that had begun before."""
    row = loaded.steps[key]
    task = await tasks.lock(ctx.tx, ctx.installation_id, row["task_id"])
    if task is None:
        return
    none = dict.fromkeys(steps.COMES_BY_TIME)
    loaded.steps[key] = await steps.change(ctx.tx, row, state="waiting", attempts=0, **none)
    if task["holder"]:
        await lifecycle.release(ctx.tx, task, "revoked", why, ctx.actor.name)
    elif task["state"] not in CLAIMABLE:
        await reopen(ctx, task, why)
    await actions.refresh(ctx.tx, loaded, key)
    if not is_start or flow_of(loaded).steps[key].is_undo:
        await actions.hold_task(ctx.tx, loaded, key, _hold_reason(loaded, key, begun))


def _hold_reason(loaded: Loaded, key: str, begun: AbstractSet[str]) -> str:
    """Why it waits. GitHub shows its needs as closed until it has reopened them."""
    before = [each["needs"] for each in loaded.needs if each["step"] == key]
    if not before:
        return hold_texts.only_after_failure()
    return hold_texts.done_again(before) if begun >= set(before) else hold_texts.done_first(before)


async def reopen(ctx: Context, task: FullTask, why: str) -> None:
    """Make an ended task pending, and reopen its issue."""
    await tasks.change(ctx.tx, ctx.installation_id, task["id"], retried_at=ctx.decided_at)
    await lifecycle.move(ctx.tx, task, "pending", ctx.actor.name, why)
    await orphaned_pulls.withdraw(ctx.tx, task)
    after = await tasks.get(ctx.tx, ctx.installation_id, task["id"])
    if after is not None:
        await issue_state.follow(ctx.tx, after)


async def _restore_relations(tx: Tx, loaded: Loaded, again: Sequence[str]) -> None:
    """Make the relations again that were removed because a need had failed."""
    for row in loaded.needs:
        task, other = loaded.task(row["step"]), loaded.task(row["needs"])
        if row["state"] != "released" or row["step"] not in again or not (task and other):
            continue
        await needs.restore(tx, row)
        row["state"] = "present"
        await step_relations.restore(tx, task, other)


async def _reopen_parent(ctx: Context, loaded: Loaded, why: str) -> None:
    parent = await tasks.lock(ctx.tx, ctx.installation_id, loaded.workflow["parent_task_id"])
    if parent is not None and parent["state"] not in OPEN:
        await reopen(ctx, parent, why)
