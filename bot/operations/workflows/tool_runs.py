"""The call of a step's tool: what it begins with, and what the step is afterwards.

Each is a transaction of its own, and the call is made between them. `call_id` is the key of the
call: with it nothing is sent twice, and the answer can be had again after a crash.
"""

import json
from dataclasses import dataclass
from typing import Any

from bot.errors import Refused
from bot.identity.actors import BOT, OPERATOR, ROLE_OF_PERMISSION, ROLES, Actor
from bot.kernel.operation import Context, Shared
from bot.kernel.sentences import code, shorten
from bot.messages import notices
from bot.mounts.compositions.running import WHOLE_S
from bot.operations.github import clean_texts
from bot.operations.tools.calling import ToolCalled
from bot.operations.workflows import step_arguments, tool_outputs, tool_starts
from bot.tasks import lifecycle, publishing
from bot.tasks.states import CLAIMABLE
from bot.times import MINUTE, SECOND, minute
from bot.tools import tool_finding
from bot.workflows.definitions import stored_values, tool_values
from bot.workflows.definitions.definition import Step
from bot.workflows.execution import actions, hold_texts, shared_values
from store.agents import agents
from store.engine import ids
from store.engine.transaction import Tx
from store.mirror import permissions as stored_permissions
from store.mirror import stored_repositories
from store.mounts import mounts
from store.tables.agents import Role
from store.tables.workflows import WorkflowRow, WorkflowStepRow
from store.tasks import tasks
from store.tasks.tasks import FullTask
from store.workflows import steps, workflows

# The kind of the ids of calls.
CALL = "sc"
# A call counts as lost so long after the time that its tool may take.
SLACK = 15 * SECOND
# If nobody can tell how long the tool may take.
USUAL_S = 30
# Why a call waits, and how long, if the refusal says no time.
LATER = {"agent_paused": 5 * MINUTE, "tool_limit": MINUTE}
# A server may say any time.
SOONEST, LATEST = 10 * SECOND, 60 * MINUTE
WHILE_ON_HOLD, UNTIL_NUMBERED = 30 * SECOND, 2 * SECOND
# What a failure says on the card.
LONGEST_WHY = 400


@dataclass(frozen=True)
class Taken:
    """A call that this process makes. `until`: after that time another one looks after it.

    `is_again`: it had begun before, in a process that is gone.
    """

    row: WorkflowStepRow
    step: Step
    actor: Actor
    call_id: str
    until: int
    is_again: bool

    @property
    def tool(self) -> str:
        return self.step.tool or ""


async def take(tx: Tx, due: WorkflowStepRow) -> Taken | None:
    """The call of a step whose time has come. None if it is not to be made now."""
    now = await tx.now()
    found = await _lock(tx, due)
    if found is None:
        return None
    task, workflow, row = found
    if row["call_at"] is None or row["call_at"] > now:
        return None
    if not _is_wanted(task, row):
        await steps.change(tx, row, call_at=None)
        return None
    if task["number"] is None:
        # Before the call people can see what is called, and hold it.
        await steps.change(tx, row, call_at=now + UNTIL_NUMBERED)
        return None
    if await _is_on_hold(tx, workflow):
        await steps.change(tx, row, call_at=now + WHILE_ON_HOLD)
        return None
    step = stored_values.step(row["definition"])
    actor = tool_starts.caller(workflow, await _role(tx, workflow))
    call_id, until = row["call_id"] or ids.new(CALL, now), now + await _longest(tx, actor, step)
    changed = await steps.change(tx, row, call_at=until, call_id=call_id)
    # Nobody ever claims the task, so that its card would not be made otherwise.
    await publishing.show(tx, task, makes_card=True)
    return Taken(changed, step, actor, call_id, until, row["call_id"] is not None)


async def _lock(
    tx: Tx, due: WorkflowStepRow
) -> tuple[FullTask, WorkflowRow, WorkflowStepRow] | None:
    here = (tx, due["installation_id"])
    task = await tasks.lock(*here, due["task_id"])
    workflow = await workflows.lock(*here, due["workflow_id"])
    row = await steps.lock(*here, due["workflow_id"], due["step"])
    if row is None or task is None or workflow is None:
        if row is not None:
            await steps.change(tx, row, call_at=None)
        return None
    return task, workflow, row


def _is_wanted(task: FullTask, row: WorkflowStepRow) -> bool:
    """A person's hold takes the place of Hubbub's, and then nothing is called."""
    is_ours = row["state"] == "open" and hold_texts.is_of_workflow(task)
    return is_ours and task["state"] in CLAIMABLE and bool(row["definition"].get("tool"))


async def _is_on_hold(tx: Tx, workflow: WorkflowRow) -> bool:
    """Whether a person holds the parent, or Hubbub cannot reach the repository."""
    here = (tx, workflow["installation_id"])
    parent = await tasks.get(*here, workflow["parent_task_id"])
    if parent is not None and parent["held"] and parent["held_by"] != BOT:
        return True
    return await stored_repositories.repository_by_id(*here, workflow["repository_id"]) is None


async def _role(tx: Tx, workflow: WorkflowRow) -> Role:
    """That of who started it: as it was then, or lower if it is lower now."""
    then: Role = workflow["started_role"] or ROLES[0]  # type: ignore[assignment]
    who, here = workflow["started_by"], (tx, workflow["installation_id"])
    now: Role = then
    if who.startswith("@"):
        login, where = who.removeprefix("@"), workflow["repository_id"]
        said = await stored_permissions.newest_of_login(*here, where, login)
        now = then if said is None else ROLE_OF_PERMISSION.get(said, ROLES[0])
    elif who not in (BOT, OPERATOR):
        found = await agents.roles(*here, [who])
        now = found.get(who, ROLES[0])
    return min(then, now, key=ROLES.index)


async def _longest(tx: Tx, actor: Actor, step: Step) -> int:
    """How long all attempts of the call may take."""
    try:
        tool = await tool_finding.find(tx, actor, step.tool or "")
    except Refused:
        return 2 * USUAL_S * SECOND + SLACK
    usual = USUAL_S if tool.mount["kind"] != mounts.COMPOSED else WHOLE_S
    own = tool.policy.timeout_s if tool.row["policy"].get("timeout_s") else usual
    return 2 * int(max(own, usual)) * SECOND + SLACK


async def arguments_of(tx: Tx, taken: Taken, shared: Shared) -> dict[str, Any]:
    """What the tool gets, with the outputs of other steps as they are now. Raise Refused."""
    given = taken.step.arguments
    here = (tx, taken.row["installation_id"], taken.row["workflow_id"])
    workflow = await workflows.lock(*here) if tool_values.has_outputs(given) else None
    if workflow is None:
        return given
    document = await shared_values.read(await _context(tx, shared, taken.row), workflow)
    states = {each["step"]: each["state"] for each in await steps.of_workflow(*here)}
    return step_arguments.with_outputs(given, document.outputs, states)


async def complete(tx: Tx, taken: Taken, answer: ToolCalled, shared: Shared) -> None:
    """The tool answered: give the outputs to the workflow, and complete the task. Raise Refused."""
    found = await _lock_taken(tx, taken)
    if found is None:
        return
    task, workflow, row = found
    ctx = await _context(tx, shared, row)
    outputs = await tool_outputs.of(ctx, taken.actor.name, taken.step, answer)
    await shared_values.put_outputs(ctx, workflow, row["step"], outputs)
    await steps.change(tx, row, call_at=None, call_id=None)
    result = clean_texts.for_card({"note": tool_outputs.summary(outputs)})[0]["note"]
    await tasks.change(tx, row["installation_id"], task["id"], result=result)
    task = await tasks.get(tx, row["installation_id"], task["id"]) or task
    await actions.end(tx, task, "completed", f"{code(taken.tool)} answered")


async def fail(tx: Tx, taken: Taken, refused: Refused) -> None:
    """There is no answer: the task fails, or the call is made again later."""
    found = await _lock_taken(tx, taken)
    if found is None:
        return
    task, _, row = found
    if refused.code in LATER or _says_when(refused):
        await _put_off(tx, task, row, taken, refused)
        return
    is_unknown = refused.code == "outcome_unknown"
    if is_unknown and await _may_repeat(tx, taken):
        if taken.is_again:
            await steps.change(tx, row, call_at=await tx.now(), call_id=None)
            return
        is_unknown = False
    await steps.change(tx, row, call_at=None, call_id=taken.call_id if is_unknown else None)
    words = _unknown(taken, refused) if is_unknown else refused.message
    why = clean_texts.for_card({"note": shorten(words, LONGEST_WHY)})[0]["note"]
    await lifecycle.move(tx, task, "failed", BOT, why.rstrip("."))


async def fail_by_tool(tx: Tx, taken: Taken, answer: ToolCalled) -> None:
    """The tool itself says that it failed."""
    said = answer.text or json.dumps(answer.structured, ensure_ascii=False)
    words = f"{taken.tool} says that it failed: {' '.join(said.split())}"
    await fail(tx, taken, Refused("tool_unavailable", words))


def _says_when(refused: Refused) -> bool:
    """Whether the server, or the circuit that keeps calls from it, said when to call again.

    Nothing was done. A call that may have been done counts as an attempt.
    """
    has_time = refused.code == "tool_unavailable" and "retry_after_s" in refused.details
    return has_time and not refused.details.get("sent")


def _unknown(taken: Taken, refused: Refused) -> str:
    server = refused.details.get("server") or taken.tool.partition("__")[0]
    return (
        f"outcome_unknown: {taken.tool} was called, and what came of it is not known. Hubbub "
        f"does not call it twice. Look at {server} before the step is retried, which calls it again"
    )


async def _may_repeat(tx: Tx, taken: Taken) -> bool:
    """Whether twice is as good as once, also at the server that stands in."""
    try:
        tool = await tool_finding.find(tx, taken.actor, taken.tool)
    except Refused:
        return False
    hints = tool.row["hints"]
    is_safe = bool(hints.get("read_only") or hints.get("idempotent"))
    return is_safe and not tool.policy.fallback


async def _put_off(
    tx: Tx, task: FullTask, row: WorkflowStepRow, taken: Taken, refused: Refused
) -> None:
    """Nothing was sent. Say on the task why it waits, and call later."""
    wait_s = refused.details.get("retry_after_s")
    wait = int(wait_s) * SECOND if wait_s else LATER[refused.code]
    if _says_when(refused):
        wait = min(max(wait, SOONEST), LATEST)
    again = await tx.now() + wait
    await steps.change(tx, row, call_at=again, call_id=None)
    paused = f"{taken.actor.name}, who started the workflow, is paused"
    why = paused if refused.code == "agent_paused" else refused.message.partition(". ")[0]
    said = shorten(" ".join(why.split()), LONGEST_WHY)
    await lifecycle.hold(tx, task, BOT, hold_texts.call_put_off(taken.tool, said, minute(again)))


async def _lock_taken(tx: Tx, taken: Taken) -> tuple[FullTask, WorkflowRow, WorkflowStepRow] | None:
    """None if the step does not wait for this call any more: it was cancelled, or took too long."""
    found = await _lock(tx, taken.row)
    if found is None:
        return None
    task, _, row = found
    is_mine = (row["call_at"], row["call_id"]) == (taken.until, taken.call_id)
    if is_mine and row["state"] == "open" and task["state"] in CLAIMABLE:
        return found
    if is_mine:
        await steps.change(tx, row, call_at=None)
    return None


async def _context(tx: Tx, shared: Shared, row: WorkflowStepRow) -> Context:
    now, actor = await tx.now(), Actor(row["installation_id"], BOT, "tech-lead")
    return Context(
        tx,
        actor,
        now,
        shared,
        await notices.call_state_of(tx, actor, now),
        operation="call_tool",
        verbs=frozenset(),
        later=[],
        handovers=[],
        waits=False,
        written_at=None,
        in_comment=False,
        commented_on=None,
        for_task=row["task_id"],
    )
