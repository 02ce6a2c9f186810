"""An issue that a person puts under the parent of a workflow becomes a step of it."""

from typing import Any

from bot.comments import authorship
from bot.identity.actors import BOT, TRUSTED
from bot.tasks import lifecycle, task_labels
from bot.tasks.states import OPEN
from bot.workflows.definitions.definition import MOST_STEPS
from bot.workflows.execution import shared_values, workflow_log
from bot.workflows.execution.flows import Loaded
from store.engine import json_text
from store.engine.transaction import Tx
from store.mirror import stored_issues
from store.tables.mirror import IssueRow
from store.tables.workflows import WorkflowStepRow
from store.tasks import tasks
from store.tasks.tasks import FullTask
from store.workflows import needs, steps, workflows


async def add(tx: Tx, loaded: Loaded, issue_id: int) -> bool:
    """Return whether it became one: a closed issue, and a step of another one, do not."""
    issue = await stored_issues.by_id(tx, loaded.installation_id, issue_id)
    if issue is None or issue["is_pull_request"] or len(loaded.steps) >= 2 * MOST_STEPS:
        return False
    task = await tasks.of_issue(tx, loaded.installation_id, issue_id)
    if task is None and issue["state"] == "open":
        task = await _make_task(tx, issue)
    if task is None or task["state"] not in OPEN or not await _leave_other(tx, loaded, task):
        return False
    row = _row(loaded, _key(loaded, issue["number"]), task)
    await steps.add(tx, [row])
    loaded.steps[row["step"]] = row
    if loaded.workflow["context_id"]:
        here = (tx, loaded.installation_id, loaded.workflow["context_id"])
        await shared_values.let_read(*here, task["id"])
    about = {"step": row["step"], "task": task["id"]}
    await workflow_log.record(tx, loaded.workflow, "workflow.step_added", BOT, **about)
    return True


async def _make_task(tx: Tx, issue: IssueRow) -> FullTask | None:
    """The task of an issue without the task label."""
    task_id = await tasks.create(
        tx,
        issue["installation_id"],
        repository_id=issue["repository_id"],
        issue_id=issue["id"],
        number=issue["number"],
        title=issue["title"],
        outsider=await _outsider(tx, issue),
        **task_labels.task_fields(json_text.value(issue["labels"])),
    )
    task = await tasks.get(tx, issue["installation_id"], task_id)
    if task is not None:
        await lifecycle.record(tx, task, "task.created", BOT)
        await lifecycle.announce_if_ready(tx, task["installation_id"], task["id"], "it is new")
    return task


async def _outsider(tx: Tx, issue: IssueRow) -> str | None:
    """The author of the title, unless it belongs to the repository or is Hubbub."""
    bot = await authorship.bot_id(tx)
    if issue["author_association"] in TRUSTED or authorship.is_ours(
        issue["author"], issue["author_id"], bot
    ):
        return None
    return authorship.shown_author(issue["author"])


async def _leave_other(tx: Tx, loaded: Loaded, task: FullTask) -> bool:
    """Take the task out of another workflow that still runs under another parent.

    A task is a step of one workflow. Return whether it may become one of this.
    """
    here = (tx, loaded.installation_id)
    row = await steps.of_task(*here, task["id"])
    if row is None:
        return True
    other = await workflows.get(*here, row["workflow_id"])
    if other is not None and other["state"] == "running":
        if other["parent_task_id"] == loaded.workflow["parent_task_id"]:
            return False
        about = {"step": row["step"], "task": task["id"]}
        await workflow_log.record(tx, other, "workflow.step_removed", BOT, **about)
    for need in await needs.of_workflow(*here, row["workflow_id"]):
        if row["step"] in (need["step"], need["needs"]):
            await needs.remove(tx, need)
    await steps.remove(tx, row)
    # What it kept waiting there goes on.
    tx.changed_tasks.add((loaded.installation_id, other["parent_task_id"] if other else task["id"]))
    return True


def _key(loaded: Loaded, number: int) -> str:
    """`issue-12`. Issues of two repositories may have the same number."""
    base = key = f"issue-{number}"
    n = 2
    while key in loaded.steps:
        key, n = f"{base}-{n}", n + 1
    return key


def _row(loaded: Loaded, key: str, task: FullTask) -> WorkflowStepRow:
    place = max((each["place"] for each in loaded.steps.values()), default=-1) + 1
    none: Any = dict.fromkeys(steps.COMES_BY_TIME)
    row: Any = {
        "installation_id": loaded.installation_id,
        "workflow_id": loaded.workflow["id"],
        "step": key,
        "task_id": task["id"],
        "place": place,
        # Its title and its text are those of the issue.
        "definition": {"id": key, "title": key},
        "state": "waiting",
        "attempts": 0,
        **none,
    }
    added: WorkflowStepRow = row
    return added
