"""The step of the loop for agent runs that starts workflows whose time has come."""

from functools import partial

from bot.background.attempts import attempt
from bot.dispatch.execution import Call, execute
from bot.errors import Refused
from bot.identity.actors import BOT, Actor
from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from bot.kernel.operation import Shared
from bot.operations.workflows.starting import StartedWorkflow, start_workflow
from bot.repository import schedules
from bot.times import stamp
from store.engine.transaction import Store, Tx
from store.mirror import stored_repositories
from store.tables.workflows import WorkflowScheduleRow
from store.workflows import workflows
from store.workflows.schedules import WORKFLOWS

BATCH = 100


async def step(store: Store, shared: Shared) -> int:
    """Start each workflow that is due, in a transaction of its own. Return how many started."""
    started = 0
    for row in await store.read(lambda tx: WORKFLOWS.due(tx, BATCH)):
        starting = start(store, shared, row)
        started += await attempt(starting, "workflow schedule not followed", name=row["name"])
    return started


async def start(store: Store, shared: Shared, row: WorkflowScheduleRow) -> bool:
    """Start the workflow and set its next time. A refusal is recorded, and changes nothing else."""
    try:
        return await store.write(partial(_start, shared=shared, row=row))
    except Refused as exc:
        why = exc.message
    await store.write(partial(_skip, row=row, why=why))
    return False


async def _start(tx: Tx, shared: Shared, row: WorkflowScheduleRow) -> bool:
    slot = await schedules.take(tx, WORKFLOWS, row)
    if slot is None:
        return False
    here = (tx, row["installation_id"])
    repository = await stored_repositories.repository_by_id(*here, row["repository_id"])
    if repository is None:
        return False  # nothing starts while the App has no access
    last = await workflows.last_scheduled(*here, row["repository_id"], row["name"])
    if last is not None and last["state"] == "running":
        raise Refused("workflow_running", f"its last workflow {last['id']} has not ended")
    given = {"name": row["name"], "repository": repository["full_name"]}
    call = Call(
        start_workflow,
        Actor(row["installation_id"], BOT, "tech-lead"),
        start_workflow.parse(given),
        # A time starts one workflow, whatever happens between.
        f"schedule {row['repository_id']} {row['name']} {slot}",
        shared,
    )
    answer = await execute(tx, call)
    assert isinstance(answer, StartedWorkflow)
    made = await workflows.lock(*here, answer.id)
    if made is not None:
        await workflows.change(tx, made, schedule_slot=slot)
    return True


async def _skip(tx: Tx, row: WorkflowScheduleRow, why: str) -> None:
    """Say that the schedule started no workflow this time."""
    slot = await schedules.take(tx, WORKFLOWS, row)
    if slot is None:
        return
    data = {"name": row["name"], "slot": stamp(slot), "why": why}
    event = Happening(
        "workflow.not_started",
        row["name"],
        row["name"],
        BOT,
        data,
        repository_id=row["repository_id"],
    )
    await event_recorder.append(tx, row["installation_id"], event)
