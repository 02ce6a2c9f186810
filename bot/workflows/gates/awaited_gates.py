"""The gate that keeps a step from beginning, also one that it needs through other steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.workflows.definitions import stored_values
from bot.workflows.definitions.definition import Gate
from store.engine.transaction import Tx
from store.tables.workflows import WorkflowNeedRow, WorkflowStepRow
from store.tasks import tasks
from store.tasks.tasks import FullTask
from store.workflows import needs, steps

# A rejected gate keeps the steps that need it too, until the workflow lets them go on.
UNDECIDED = frozenset({"waiting", "open", "failed"})


@dataclass(frozen=True)
class AwaitedGate:
    """`task` and `step`: those of the gate."""

    task: FullTask
    step: WorkflowStepRow
    gate: Gate


async def of_task(tx: Tx, task: FullTask) -> AwaitedGate | None:
    """None if the task is no step, or may begin as far as gates are concerned."""
    here = (tx, task["installation_id"])
    mine = await steps.of_task(*here, task["id"])
    if mine is None or mine["state"] != "waiting":
        return None
    rows = {each["step"]: each for each in await steps.of_workflow(*here, mine["workflow_id"])}
    gate = first_undecided(mine, rows, await needs.of_workflow(*here, mine["workflow_id"]))
    found = gate and await tasks.get(*here, gate["task_id"])
    if gate is None or found is None:
        return None
    return AwaitedGate(found, gate, stored_values.gate(gate["definition"]["approve"]))


def first_undecided(
    mine: WorkflowStepRow, rows: Mapping[str, WorkflowStepRow], found: Sequence[WorkflowNeedRow]
) -> WorkflowStepRow | None:
    """The nearest undecided gate among the steps that this one needs, at any distance. Pure."""
    needed: dict[str, list[str]] = {}
    for each in found:
        if each["state"] == "present":
            needed.setdefault(each["step"], []).append(each["needs"])
    seen, level = {mine["step"]}, [mine["step"]]
    while level:
        keys = [key for step in level for key in needed.get(step, ()) if key in rows]
        level = []
        for key in dict.fromkeys(keys):
            if key in seen or rows[key]["state"] not in UNDECIDED:
                continue
            if rows[key]["definition"].get("approve"):
                return rows[key]
            seen.add(key)
            level.append(key)
    return None
