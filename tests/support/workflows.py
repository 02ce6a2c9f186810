"""Workflows in tests: start one from the text of its file, and play its steps."""

from dataclasses import dataclass
from typing import Any, cast

from bot.identity.actors import BOT, Actor
from bot.kernel.operation import Context
from bot.workflows.definitions import definition_file, expansion
from bot.workflows.execution import advance, shared_values
from bot.workflows.starting import first_holds
from fixtures.github import Issue
from store.engine import ids
from store.engine.transaction import Tx
from store.tasks import tasks
from store.workflows import definitions, needs, steps, workflows
from tests.support.story import Agent, Workspace

FEATURE = """
description: Build a feature
inputs:
  feature: {description: What to build}
  components: {type: list, default: [api, page]}
steps:
  - id: design
    title: Design ${{ inputs.feature }}
    body: Write down how ${{ inputs.feature }} works.
  - id: build
    each: components
    title: Build ${{ item }}
    body: Build the ${{ item }} of ${{ inputs.feature }}.
    needs: [design]
  - id: release
    title: Release it
    body: Tag it.
    needs: [build]
"""


async def define(
    workspace: Workspace, text: str = FEATURE, name: str = "feature", problem: str | None = None
) -> None:
    """Put a valid definition of the repository into the database, as if its file was read."""
    parsed = definition_file.parse(text.encode())

    async def put(tx: Tx) -> None:
        await definitions.put(
            tx,
            {
                "installation_id": workspace.installation.id,
                "repository_id": workspace.repository.id,
                "name": name,
                "sha": "0" * 40,
                "definition": parsed.model_dump(mode="json", exclude_defaults=True),
                "problem": problem,
                "problem_sha": "1" * 40 if problem else None,
                "read_at": await tx.now(),
            },
        )

    await workspace.store.write(put)


class Played:
    """A workflow that was started in the workspace, with its agents."""

    def __init__(self, workspace: Workspace, workflow_id: str, parent: str) -> None:
        self.workspace = workspace
        self.id = workflow_id
        self.parent = parent
        self.fences: dict[str, int] = {}

    async def states(self) -> dict[str, str]:
        rows = await self._steps()
        return {each["step"]: each["state"] for each in rows}

    async def _steps(self) -> list[dict[str, Any]]:
        return await self.workspace.rows(
            "SELECT * FROM workflow_steps WHERE installation_id = :i AND workflow_id = :w "
            "ORDER BY place",
            w=self.id,
        )

    async def step(self, key: str) -> dict[str, Any]:
        return next(each for each in await self._steps() if each["step"] == key)

    async def workflow(self) -> dict[str, Any]:
        (row,) = await self.workspace.rows(
            "SELECT * FROM workflows WHERE installation_id = :i AND id = :w", w=self.id
        )
        return row

    async def task(self, key: str) -> dict[str, Any]:
        row = await self.step(key)
        (task,) = await self.workspace.rows(
            "SELECT * FROM tasks WHERE installation_id = :i AND id = :t", t=row["task_id"]
        )
        return task

    async def name(self, key: str) -> str:
        task = await self.task(key)
        return f"{self.workspace.repository.full_name}#{task['number']}"

    async def issue(self, key: str) -> Issue:
        """The step's issue on GitHub. `parent` is the workflow's own."""
        task_id = self.parent if key == "parent" else (await self.step(key))["task_id"]
        (task,) = await self.workspace.rows(
            "SELECT number FROM tasks WHERE installation_id = :i AND id = :t", t=task_id
        )
        return self.workspace.repository.issues[task["number"]]

    async def why_held(self, key: str) -> str | None:
        task = await self.task(key)
        return str(task["held_why"]) if task["held"] else None

    async def claim(self, agent: Agent, key: str) -> dict[str, Any]:
        claimed = await agent.call("claim_task", task=await self.name(key))
        self.fences[key] = claimed["task"]["fence"]
        return claimed

    async def report(self, agent: Agent, key: str, status: str, **more: Any) -> dict[str, Any]:
        return await agent.call(
            "update_task_status",
            task=await self.name(key),
            status=status,
            fence=self.fences[key],
            **more,
        )

    async def do(
        self, agent: Agent, key: str, status: str = "completed", **more: Any
    ) -> dict[str, Any]:
        """Claim the step, report this end, and let GitHub follow."""
        await self.claim(agent, key)
        done = await self.report(agent, key, status, **more)
        await self.workspace.settle()
        return done


async def start(workspace: Workspace, text: str, **inputs: Any) -> Played:
    """Start a workflow of this text, by the rows that `start_workflow` makes."""
    definition = definition_file.parse(text.encode())
    expanded = expansion.expand(definition, inputs)
    planner = await workspace.agent("planner")
    made = await planner.call(
        "create_tasks",
        repository=workspace.repository.full_name,
        duplicate_ok=True,
        tasks=[
            {"id": "parent-of-all", "title": "All of it"},
            *(
                {
                    "id": each.key,
                    "title": each.title,
                    "body": each.body,
                    "blocked_by": list(each.needs),
                    "parent": "parent-of-all",
                }
                for each in expanded
            ),
        ],
    )
    by_key = {each["id"]: each["task"] for each in made["tasks"]}
    held = first_holds.of(definition, expanded)

    async def work(tx: Tx) -> str:
        here, now = workspace.installation.id, await tx.now()
        workflow_id = ids.new("wf", now)
        await workflows.add(
            tx,
            {
                "installation_id": here,
                "id": workflow_id,
                "repository_id": workspace.repository.id,
                "name": "feature",
                "definition": definition.model_dump(mode="json", exclude_defaults=True),
                "inputs": inputs,
                "parent_task_id": by_key["parent-of-all"],
                "started_by": "@octocat",
                "state": "running",
                "why": None,
                "context_id": None,
                "most_open": definition.parallel,
                "schedule_slot": None,
                "started_role": "tech-lead",
                "created_at": now,
                "updated_at": now,
                "ended_at": None,
            },
        )
        await steps.add(
            tx,
            [
                {
                    "installation_id": here,
                    "workflow_id": workflow_id,
                    "step": each.key,
                    "task_id": by_key[each.key],
                    "place": n,
                    "definition": each.step.model_dump(mode="json", exclude_defaults=True),
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
                for n, each in enumerate(expanded)
            ],
        )
        await needs.add(
            tx,
            [
                {
                    "installation_id": here,
                    "workflow_id": workflow_id,
                    "step": each.key,
                    "needs": need,
                    "state": "present",
                }
                for each in expanded
                for need in each.needs
            ],
        )
        for key, why in held.items():
            hold = {"held": 1, "held_by": BOT, "held_why": why}
            await tasks.change(tx, here, by_key[key], **hold)
        row = await workflows.get(tx, here, workflow_id)
        assert row is not None
        ctx = Context(
            tx,
            Actor(here, BOT, "tech-lead"),
            now,
            workspace.dispatcher.shared,
            cast("Any", {}),
            operation="start_workflow",
            verbs=frozenset(),
            later=[],
            handovers=[],
            waits=False,
            written_at=None,
            in_comment=False,
            commented_on=None,
        )
        context_id = await shared_values.create(ctx, row, [by_key[each.key] for each in expanded])
        await workflows.change(tx, row, context_id=context_id)
        await advance.advance(tx, here, workflow_id)
        return workflow_id

    workflow_id = await workspace.store.write(work)
    await workspace.settle()
    return Played(workspace, workflow_id, by_key["parent-of-all"])


async def begin(workspace: Workspace, agent: Agent, text: str = FEATURE, **inputs: Any) -> Played:
    """Define a workflow, and start it by the operation."""
    await define(workspace, text)
    made = await agent.call(
        "start_workflow",
        name="feature",
        repository=workspace.repository.full_name,
        inputs=inputs,
    )
    await workspace.settle()
    row = await Played(workspace, made["id"], "").workflow()
    return Played(workspace, made["id"], row["parent_task_id"])


@dataclass(frozen=True)
class Writes:
    """How many writes reached GitHub for each step, with a share of the parent's, and by kind."""

    each: float
    kinds: dict[str, int]


async def writes_per_step(workspace: Workspace, steps_made: int) -> Writes:
    """Those that were sent in the installation since its beginning."""
    rows = await workspace.rows(
        "SELECT kind, COUNT(*) AS n FROM writes WHERE installation_id = :i AND state = 'sent' "
        "GROUP BY kind ORDER BY kind"
    )
    kinds = {row["kind"]: row["n"] for row in rows}
    return Writes(sum(kinds.values()) / steps_made, kinds)
