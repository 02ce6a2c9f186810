"""A workflow as it is stored: its rows, its tasks, and what decisions need of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bot.identity.actors import BOT
from bot.workflows.definitions import stored_values
from bot.workflows.definitions.definition import LABEL, Step
from bot.workflows.execution import hold_texts
from bot.workflows.execution.flow_state import Flow, FlowStep
from store.engine import json_text
from store.engine.transaction import Tx
from store.mirror import stored_issues
from store.tables.workflows import WorkflowNeedRow, WorkflowRow, WorkflowStepRow
from store.tasks import tasks
from store.tasks.tasks import FullTask
from store.workflows import needs, steps, workflows


@dataclass
class Loaded:
    """A locked workflow. `tasks` by their id; a task that is gone is missing."""

    workflow: WorkflowRow
    steps: dict[str, WorkflowStepRow]
    needs: list[WorkflowNeedRow]
    tasks: dict[str, FullTask]
    labels: frozenset[str] = frozenset()

    @property
    def installation_id(self) -> int:
        return self.workflow["installation_id"]

    def step(self, key: str) -> Step:
        """The step of the file."""
        return stored_values.step(self.steps[key]["definition"])

    def task(self, key: str) -> FullTask | None:
        return self.tasks.get(self.steps[key]["task_id"])

    def need(self, key: str, need: str) -> WorkflowNeedRow:
        return next(each for each in self.needs if (each["step"], each["needs"]) == (key, need))


async def load(tx: Tx, installation_id: int, workflow_id: str) -> Loaded | None:
    """Lock the workflow and read all of it."""
    here = (tx, installation_id, workflow_id)
    workflow = await workflows.lock(*here)
    if workflow is None:
        return None
    rows = {each["step"]: each for each in await steps.of_workflow(*here)}
    ids = [each["task_id"] for each in rows.values()]
    found = await tasks.of_ids(tx, installation_id, ids)
    between = await needs.of_workflow(*here)
    return Loaded(workflow, rows, between, found, await _labels(tx, workflow, rows))


async def _labels(
    tx: Tx, workflow: WorkflowRow, rows: dict[str, WorkflowStepRow]
) -> frozenset[str]:
    """The labels of the parent issue, if a step asks for one."""
    conditions = [str(each["definition"].get("if", "")) for each in rows.values()]
    if not any(each.startswith(LABEL) for each in conditions):
        return frozenset()
    parent = await tasks.get(tx, workflow["installation_id"], workflow["parent_task_id"])
    if parent is None or parent["number"] is None:
        return frozenset()
    here = (tx, workflow["installation_id"])
    issue = await stored_issues.issue(*here, parent["repository_id"], parent["number"])
    return frozenset(json_text.value(issue["labels"])) if issue else frozenset()


def flow_of(loaded: Loaded) -> Flow:
    # Steps may have long texts and needs are many, so each is looked at once.
    parsed = {key: loaded.step(key) for key in loaded.steps}
    undone_by = {each.compensation for each in parsed.values()} - {None}
    before: dict[str, list[WorkflowNeedRow]] = defaultdict(list)
    for need in loaded.needs:
        before[need["step"]].append(need)
    made = {key: _step(loaded, key, parsed[key], before[key], undone_by) for key in loaded.steps}
    workflow = loaded.workflow
    return Flow(made, workflow["state"], workflow["most_open"], loaded.labels)


def _step(
    loaded: Loaded,
    key: str,
    step: Step,
    its: Sequence[WorkflowNeedRow],
    undone_by: set[str | None],
) -> FlowStep:
    row, task = loaded.steps[key], loaded.task(key)
    return FlowStep(
        key,
        state=row["state"],
        task=task["state"] if task else None,
        needs=tuple(each["needs"] for each in its if each["needs"] in loaded.steps),
        released=frozenset(each["needs"] for each in its if each["state"] == "released"),
        condition=step.condition,
        on_failure=_on_failure(step),
        compensation=step.compensation,
        is_undo=step.id in undone_by,
        is_gate=step.approve is not None,
        is_tool=step.tool is not None,
        # A call that may have had an effect is not made again by itself.
        retry=step.retry if row["call_id"] is None else 0,
        attempts=row["attempts"],
        has_opened=row["opened_at"] is not None,
        held=task is not None and hold_texts.is_of_workflow(task),
        holder=(task["holder"] if task else None) or _caller(row),
    )


def _caller(row: WorkflowStepRow) -> str | None:
    """Hubbub, while it calls the tool of the step."""
    return BOT if row["call_at"] is not None and row["call_id"] is not None else None


def _on_failure(step: Step) -> Literal["stop", "continue", "compensate"]:
    if step.compensation:
        return "compensate"
    on_failure: Any = step.on_failure
    return "continue" if on_failure == "continue" else "stop"
