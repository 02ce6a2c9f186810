"""A workflow goes on in the transaction that ends one of its tasks, or begins one again."""

from collections import defaultdict
from collections.abc import Set as AbstractSet

from bot.workflows.execution import actions, flows, parents
from store.engine.transaction import TaskKey, Tx
from store.workflows import steps


async def follow(tx: Tx, changed: AbstractSet[TaskKey]) -> None:
    """What follows for workflows from tasks that ended, or began again, in the transaction."""
    by_installation: dict[int, list[str]] = defaultdict(list)
    for installation_id, task_id in sorted(changed):
        by_installation[installation_id].append(task_id)
    for installation_id, task_ids in by_installation.items():
        found = await steps.of_tasks(tx, installation_id, task_ids)
        for workflow_id in sorted({each["workflow_id"] for each in found.values()}):
            await advance(tx, installation_id, workflow_id)
        await parents.follow(tx, installation_id, task_ids)


async def advance(tx: Tx, installation_id: int, workflow_id: str) -> None:
    """Do what is to be done in the workflow now."""
    loaded = await flows.load(tx, installation_id, workflow_id)
    if loaded is not None:
        await actions.go_on(tx, loaded)
