"""The rows of a new workflow: itself, its steps and their needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.workflows.definitions.definition import Definition, Step
from bot.workflows.definitions.expansion import ExpandedStep
from store.engine import ids
from store.engine.transaction import Tx
from store.tables.agents import Role
from store.tables.workflows import WorkflowNeedRow, WorkflowRow, WorkflowStepRow
from store.workflows import needs, workflows
from store.workflows import steps as stored_steps

# Ids of workflows begin with it.
KIND = "wf"


@dataclass(frozen=True)
class Start:
    """What a workflow is started with. `given`: the inputs without defaults.

    `slot`: the time of its schedule, and `when` the same in words.
    """

    repository_id: int
    name: str
    definition: Definition
    inputs: Mapping[str, Any]
    steps: Sequence[ExpandedStep]
    by: str
    given: Mapping[str, Any] = field(default_factory=dict)
    slot: int | None = None
    when: str = ""
    # The role of who started it, in the repository.
    role: Role | None = None


async def add(
    tx: Tx, installation_id: int, start: Start, parent_id: str, task_ids: Mapping[str, str]
) -> WorkflowRow:
    """Add all rows of the workflow. `task_ids`: by the key of the step."""
    workflow = await _workflow(tx, installation_id, start, parent_id)
    await workflows.add(tx, workflow)
    key = {"installation_id": installation_id, "workflow_id": workflow["id"]}
    found = [_step(key, place, each, task_ids[each.key]) for place, each in enumerate(start.steps)]
    await stored_steps.add(tx, found)
    await needs.add(tx, [row for each in start.steps for row in _needs(key, each)])
    return workflow


async def _workflow(tx: Tx, installation_id: int, start: Start, parent_id: str) -> WorkflowRow:
    now = await tx.now()
    return {
        "installation_id": installation_id,
        "id": ids.new(KIND, now),
        "repository_id": start.repository_id,
        "name": start.name,
        "definition": as_json(start.definition),
        "inputs": dict(start.inputs),
        "parent_task_id": parent_id,
        "started_by": start.by,
        "state": "running",
        "why": None,
        "context_id": None,
        "most_open": start.definition.parallel,
        "schedule_slot": start.slot,
        "started_role": start.role,
        "created_at": now,
        "updated_at": now,
        "ended_at": None,
    }


def as_json(model: Definition | Step) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude_defaults=True)


def _step(key: Mapping[str, Any], place: int, each: ExpandedStep, task_id: str) -> WorkflowStepRow:
    texts = {"title": each.title, "body": each.body, "arguments": dict(each.arguments)}
    filled = each.step.model_copy(update=texts)
    return {
        "installation_id": key["installation_id"],
        "workflow_id": key["workflow_id"],
        "step": each.key,
        "task_id": task_id,
        "place": place,
        "definition": as_json(filled),
        "state": "waiting",
        "attempts": 0,
        "context_version": None,
        "deadline_at": None,
        "opened_at": None,
        "ended_at": None,
        "spawn_at": None,
        "call_at": None,
        "call_id": None,
    }


def _needs(key: Mapping[str, Any], each: ExpandedStep) -> list[WorkflowNeedRow]:
    return [
        {
            "installation_id": key["installation_id"],
            "workflow_id": key["workflow_id"],
            "step": each.key,
            "needs": need,
            "state": "present",
        }
        for need in each.needs
    ]
