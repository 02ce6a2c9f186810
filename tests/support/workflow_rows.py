"""A workflow as it is once GitHub has all its issues and relations, without having started it."""

from dataclasses import dataclass, field
from typing import Any

from bot.workflows.definitions.definition_file import parse
from bot.workflows.definitions.expansion import expand
from fixtures.github import Issue
from store.engine.transaction import Tx
from store.tables.workflows import WorkflowNeedRow, WorkflowRow, WorkflowStepRow
from store.tasks import tasks
from store.workflows import needs, steps, workflows
from tests.support.story import Workspace

COMES_BY_TIME: dict[str, Any] = dict.fromkeys(steps.COMES_BY_TIME)


@dataclass
class Started:
    """A workflow with the issues of its parent and of its steps, by key."""

    workspace: Workspace
    id: str
    parent: Issue
    issues: dict[str, Issue] = field(default_factory=dict)

    def name(self, step: str) -> str:
        return self.workspace.name(self.issues[step])

    async def states(self) -> dict[str, str]:
        q = "SELECT step, state FROM workflow_steps WHERE installation_id = :i AND workflow_id = :w"
        found = await self.workspace.rows(f"{q} ORDER BY place, step", w=self.id)
        return {row["step"]: row["state"] for row in found}

    async def needs(self) -> set[tuple[str, str, str]]:
        q = "SELECT * FROM workflow_needs WHERE installation_id = :i AND workflow_id = :w"
        found = await self.workspace.rows(q, w=self.id)
        return {(row["step"], row["needs"], row["state"]) for row in found}


async def begin(workspace: Workspace, text: str, name: str = "feature", **inputs: Any) -> Started:
    """Make the issues of the workflow as people would, with their relations, then its rows."""
    definition, person = parse(text.encode()), workspace.person
    expanded = expand(definition, inputs)
    label, where = ["agent-task"], workspace.repository
    parent = person.open_issue(where, name, labels=label)
    made = Started(workspace, f"wf_{parent.id}", parent)
    for each in expanded:
        labels = [*label, *(f"capability: {one}" for one in each.step.capability)]
        issue = person.open_issue(where, each.title, each.body, labels=labels)
        made.issues[each.key] = issue
        person.add_sub_issue(parent, issue)
    for each in expanded:
        for needed in each.needs:
            person.block(made.issues[each.key], made.issues[needed])
    await workspace.settle()

    async def add(tx: Tx) -> None:
        i, now = workspace.installation.id, await tx.now()

        async def task_of(issue: Issue) -> str:
            task = await tasks.of_issue(tx, i, issue.id)
            assert task is not None
            return task["id"]

        row: WorkflowRow = {
            "installation_id": i,
            "id": made.id,
            "repository_id": where.id,
            "name": name,
            "definition": definition.model_dump(mode="json", exclude_defaults=True),
            "inputs": inputs,
            "parent_task_id": await task_of(parent),
            "started_by": "@octocat",
            "state": "running",
            "why": None,
            "context_id": None,
            "most_open": definition.parallel,
            "schedule_slot": None,
            "started_role": "developer",
            "created_at": now,
            "updated_at": now,
            "ended_at": None,
        }
        await workflows.add(tx, row)
        found: list[WorkflowStepRow] = []
        wanted: list[WorkflowNeedRow] = []
        for place, each in enumerate(expanded):
            key: Any = {"installation_id": i, "workflow_id": made.id, "step": each.key}
            row_of_step: Any = {
                **key,
                "task_id": await task_of(made.issues[each.key]),
                "place": place,
                "definition": each.step.model_dump(mode="json", exclude_defaults=True),
                "state": "waiting" if each.needs else "open",
                "attempts": 0,
                **COMES_BY_TIME,
            }
            found.append(row_of_step)
            waits: list[Any] = [{**key, "needs": one, "state": "present"} for one in each.needs]
            wanted += waits
            tx.changed_tasks.add((i, found[-1]["task_id"]))
        await steps.add(tx, found)
        await needs.add(tx, wanted)

    await workspace.store.write(add)
    await workspace.settle()
    return made
