"""Workflows follow what people change in their graph on GitHub.

It runs after GitHub listed the relations of an issue. A webhook alone changes no workflow, because
a late one may tell of what is no longer so; but each webhook about a relation queues that list.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bot.identity.actors import BOT
from bot.tasks import lifecycle
from bot.workflows.execution import actions, advance, flows, hold_texts, workflow_log
from bot.workflows.execution.flows import Loaded
from bot.workflows.reconciliation import added_steps, graph_edits
from bot.workflows.reconciliation.graph_edits import (
    Add,
    AddNeed,
    Edit,
    GitHubGraph,
    PutBack,
    StoredStep,
)
from store.engine.transaction import Tx
from store.mirror import relations
from store.mirror.relations import Awaited
from store.tables.workflows import WorkflowNeedRow
from store.tasks import planned_relations, tasks
from store.workflows import drawn, needs, steps


@dataclass(frozen=True)
class Listed:
    """The list of GitHub that came just now: the sub-issues of an issue, or its blockers."""

    parent: int | None = None
    blocked: int | None = None


async def follow_relations(
    tx: Tx, installation_id: int, kind: relations.Kind, issue_id: int
) -> None:
    """After GitHub listed what the issue waits for: its sub-issues or its blockers."""
    listed = Listed(parent=issue_id) if kind == "parent" else Listed(blocked=issue_id)
    for each in await drawn.workflows_of(tx, installation_id, issue_id):
        await _follow(tx, installation_id, each, listed)


async def follow_issue(tx: Tx, installation_id: int, issue_id: int) -> None:
    """After the mirror got the issue: a list of sub-issues may have named it before."""
    for each in await drawn.workflows_above(tx, installation_id, issue_id):
        await _follow(tx, installation_id, each, Listed())


async def _follow(tx: Tx, installation_id: int, workflow_id: str, listed: Listed) -> None:
    """Make the steps and needs of the workflow those that GitHub shows."""
    loaded = await flows.load(tx, installation_id, workflow_id)
    if loaded is None or loaded.workflow["state"] != "running":
        return
    parent = await tasks.get(tx, installation_id, loaded.workflow["parent_task_id"])
    if parent is None or parent["issue_id"] is None:
        return
    changed = await _follow_steps(tx, loaded, parent["issue_id"], listed.parent)
    if changed:
        loaded = await flows.load(tx, installation_id, workflow_id) or loaded
    if await _follow_needs(tx, loaded, listed.blocked) or changed:
        await advance.advance(tx, installation_id, workflow_id)


async def _follow_steps(tx: Tx, loaded: Loaded, parent: int, listed: int | None) -> bool:
    """Add, take out and put back steps. Return whether any changed."""
    found = await relations.sources(tx, loaded.installation_id, "parent", parent)
    # An issue that the mirror does not have yet may be a step that moved to another repository.
    ids = [each["other_id"] for each in found]
    edits = graph_edits.steps_to_change(
        await _stored_steps(tx, loaded), GitHubGraph(listed, ids), parent
    )
    changes = [await _change_step(tx, loaded, each) for each in edits]
    return any(changes)


async def _change_step(tx: Tx, loaded: Loaded, edit: Edit) -> bool:
    if isinstance(edit, Add):
        return await added_steps.add(tx, loaded, edit.issue)
    row, task = loaded.steps[edit.step], loaded.task(edit.step)
    about = {"step": edit.step, "task": row["task_id"]}
    if isinstance(edit, PutBack):
        await steps.change(tx, row, state="waiting", ended_at=None)
        await workflow_log.record(tx, loaded.workflow, "workflow.step_added", BOT, **about)
        return True
    await steps.change(tx, row, state="removed", ended_at=await tx.now(), deadline_at=None)
    if task is not None and hold_texts.is_of_workflow(task):
        if tool := row["definition"].get("tool"):
            # Nothing in it is an agent's to do.
            await actions.hold_task(tx, loaded, edit.step, hold_texts.taken_out(tool))
        else:
            # It is an ordinary task again.
            await lifecycle.resume(tx, task, BOT)
    await workflow_log.record(tx, loaded.workflow, "workflow.step_removed", BOT, **about)
    return True


async def _follow_needs(tx: Tx, loaded: Loaded, listed: int | None) -> bool:
    """Add and drop needs. Return whether any changed."""
    known = await _stored_steps(tx, loaded)
    issues = [each.issue for each in known if each.issue is not None]
    found = await relations.blockers_of(tx, loaded.installation_id, issues)
    shown = GitHubGraph(
        listed,
        blockers=_by_issue(each for each in found if not each["cyclic"]),
        circles=_by_issue(each for each in found if each["cyclic"] and each["state"] == "open"),
    )
    stored = {(each["step"], each["needs"]): each["state"] for each in loaded.needs}
    edits = graph_edits.needs_to_change(known, stored, shown)
    for edit in edits:
        row = _need(loaded, edit.step, edit.needs)
        await (needs.add(tx, [row]) if isinstance(edit, AddNeed) else needs.remove(tx, row))
    return bool(edits)


def _by_issue(found: Iterable[Awaited]) -> dict[int, frozenset[int]]:
    """The blockers, by the issue that waits for them."""
    ids: dict[int, set[int]] = defaultdict(set)
    for each in found:
        ids[each["waits_id"]].add(each["other_id"])
    return {issue: frozenset(blockers) for issue, blockers in ids.items()}


def _need(loaded: Loaded, step: str, needed: str) -> WorkflowNeedRow:
    return {
        "installation_id": loaded.installation_id,
        "workflow_id": loaded.workflow["id"],
        "step": step,
        "needs": needed,
        "state": "present",
    }


async def _stored_steps(tx: Tx, loaded: Loaded) -> list[StoredStep]:
    ids = [each["task_id"] for each in loaded.steps.values()]
    waiting = await planned_relations.waiting_among(tx, loaded.installation_id, ids)
    return [_step(loaded, key, waiting) for key in loaded.steps]


def _step(loaded: Loaded, key: str, waiting: Collection[str]) -> StoredStep:
    row, task = loaded.steps[key], loaded.task(key)
    issue = task["issue_id"] if task else None
    return StoredStep(key, issue, row["state"], is_settled=row["task_id"] not in waiting)
