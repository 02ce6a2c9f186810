"""Gates of tests: the rows of a workflow in which a task is a gate, as if a file was started."""

from typing import Any

from bot.identity.actors import BOT
from bot.tasks import lifecycle
from bot.workflows.definitions.definition import Definition
from bot.workflows.gates import gates, open_gates
from fixtures.github import Issue
from store.engine import ids
from store.engine.transaction import Tx
from store.tasks import tasks
from store.workflows import needs, steps, workflows
from tests.support.story import Workspace


async def make_gate(
    workspace: Workspace,
    approve: Any,
    *,
    after: Issue | None = None,
    is_open: bool = True,
    of: Issue | None = None,
    settles: bool = True,
) -> Issue:
    """A task that is a gate. `after`: the task of the step that it needs. `of`: an old task."""
    issue = of or await workspace.task("Approve it")
    given: list[dict[str, Any]] = [{"id": "approve", "title": "Approve it", "approve": approve}]
    if after is not None:
        given[0]["needs"] = ["build"]
        given.append({"id": "build", "title": "Build it", "body": "Build."})
    definition = Definition.model_validate({"steps": given})
    await workspace.store.write(lambda tx: _add(tx, workspace, definition, issue, after, is_open))
    if settles:
        await workspace.settle()
    return issue


async def _add(
    tx: Tx,
    workspace: Workspace,
    definition: Definition,
    issue: Issue,
    after: Issue | None,
    is_open: bool,  # noqa: FBT001 - a test's helper
) -> None:
    i, now = workspace.installation.id, await tx.now()
    workflow_id = ids.new("wf", now)
    await workflows.add(
        tx,
        {
            "installation_id": i,
            "id": workflow_id,
            "repository_id": workspace.repository.id,
            "name": "feature",
            "definition": definition.model_dump(mode="json", exclude_defaults=True),
            "inputs": {},
            "parent_task_id": "none",
            "started_by": "@octocat",
            "state": "running",
            "why": None,
            "context_id": None,
            "most_open": 10,
            "schedule_slot": None,
            "started_role": "developer",
            "created_at": now,
            "updated_at": now,
            "ended_at": None,
        },
    )
    for place, (step, of) in enumerate(zip(definition.steps, (issue, after), strict=False)):
        task = await _task(tx, workspace, of or issue)
        opened = is_open or step.id != "approve"
        row: Any = {
            "installation_id": i,
            "workflow_id": workflow_id,
            "step": step.id,
            "task_id": task["id"],
            "place": place,
            "definition": step.model_dump(mode="json", exclude_defaults=True),
            "state": "open" if opened else "waiting",
            "attempts": 0,
            "context_version": None,
            "deadline_at": None,
            "opened_at": now if opened else None,
            "ended_at": None,
            "spawn_at": None,
            "call_at": None,
            "call_id": None,
        }
        complete: Any = {name: row.get(name) for name in steps.COLUMNS}
        await steps.add(tx, [complete])
        for need in step.needs:
            key: Any = {"installation_id": i, "workflow_id": workflow_id, "step": step.id}
            need_row: Any = {**key, "needs": need, "state": "present"}
            await needs.add(tx, [need_row])
    gate = definition.step("approve").approve
    assert gate is not None
    await lifecycle.hold(tx, await _task(tx, workspace, issue), BOT, gates.hold_reason(gate))
    if is_open:
        step_row = await steps.get(tx, i, workflow_id, "approve")
        assert step_row is not None
        await open_gates.announce(tx, await _task(tx, workspace, issue), gate, step_row)


async def _task(tx: Tx, workspace: Workspace, issue: Issue) -> Any:
    here = (tx, workspace.installation.id, workspace.repository.id, issue.number)
    found = await tasks.by_number(*here)
    assert found is not None
    return await tasks.lock(tx, workspace.installation.id, found["id"])
