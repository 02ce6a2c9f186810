"""The part of the card about the workflow of which the task is a step, or the parent."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.comments.replies import STATE_WORDS
from bot.identity.actors import BOT
from bot.kernel.sentences import code
from bot.tasks.states import CLAIMABLE, OPEN
from store.engine.transaction import Tx
from store.tables.workflows import WorkflowRow, WorkflowStepRow
from store.tasks import tasks
from store.tasks.tasks import FullTask
from store.workflows import steps, workflows

WORDS = {"open": "can begin", "skipped": "skipped", "removed": "taken out", **STATE_WORDS}
# Steps that a card lists.
MOST_STEPS = 40


@dataclass(frozen=True)
class ShownStep:
    """`number`: of its issue, if it is in the repository of the card."""

    key: str
    number: int | None
    words: str
    holder: str | None


@dataclass(frozen=True)
class ShownWorkflow:
    """`step`: which one the task is; None: it is the parent, and `steps` are all of them."""

    id: str
    name: str
    state: str
    step: str | None = None
    # The tool that does it, until it has ended.
    tool: str | None = None
    parent: int | None = None
    steps: Sequence[ShownStep] = ()


async def of_task(tx: Tx, task: FullTask) -> ShownWorkflow | None:
    here = (tx, task["installation_id"])
    mine = await steps.of_task(*here, task["id"])
    if mine is not None:
        row = await workflows.get(*here, mine["workflow_id"])
        return row and await _as_step(tx, task, row, mine)
    newest = await workflows.of_parent(*here, task["id"], limit=1)
    return await _as_parent(tx, task, newest[0]) if newest else None


async def _as_step(
    tx: Tx, task: FullTask, row: WorkflowRow, mine: WorkflowStepRow
) -> ShownWorkflow:
    parent = await tasks.get(tx, row["installation_id"], row["parent_task_id"])
    is_here = parent is not None and parent["repository_id"] == task["repository_id"]
    number = parent["number"] if parent and is_here else None
    tool = mine["definition"].get("tool") if mine["state"] in ("waiting", "open") else None
    return ShownWorkflow(row["id"], row["name"], row["state"], mine["step"], tool, number)


async def _as_parent(tx: Tx, task: FullTask, row: WorkflowRow) -> ShownWorkflow:
    here = (tx, row["installation_id"])
    found = await steps.of_workflow(*here, row["id"])
    known = await tasks.of_ids(*here, [each["task_id"] for each in found])
    shown = [_step_view(task, each, known.get(each["task_id"])) for each in found]
    return ShownWorkflow(row["id"], row["name"], row["state"], steps=shown)


def _step_view(parent: FullTask, row: WorkflowStepRow, task: FullTask | None) -> ShownStep:
    is_here = task is not None and task["repository_id"] == parent["repository_id"]
    state = row["state"]
    if state in ("waiting", "open") and task and task["state"] in ("in_progress", "in_review"):
        words = STATE_WORDS[task["state"]]
    elif state == "open" and row["definition"].get("approve"):
        words = "waits for an approval"
    elif state == "open" and row["definition"].get("tool"):
        words = f"Hubbub calls {code(row['definition']['tool'])}"
    else:
        words = WORDS.get(state, state)
    # Of a step in another repository, readers of this one see neither the issue nor the holder.
    number, holder = (task["number"], holder_of(task)) if task and is_here else (None, None)
    return ShownStep(row["step"], number, words, holder)


def holder_of(task: FullTask | None) -> str | None:
    """Who works on it; after its end, who held it last."""
    if task is None:
        return None
    return task["holder"] or (None if task["state"] in OPEN else task["last_holder"])


def is_done_by_tool(task: FullTask, workflow: ShownWorkflow | None) -> bool:
    """Whether Hubbub does the task, which a person does not hold."""
    has_tool = workflow is not None and workflow.tool is not None
    return has_tool and bool(task["held"]) and task["held_by"] == BOT and task["state"] in OPEN


def lines(workflow: ShownWorkflow | None) -> list[str]:
    """The parts of the card."""
    if workflow is None:
        return []
    if workflow.step is not None:
        of = f", #{workflow.parent}" if workflow.parent else ""
        return [f"Step {code(workflow.step)} of the workflow {code(workflow.name)}{of}."]
    done = sum(each.words in DONE for each in workflow.steps)
    head = (
        f"Workflow {code(workflow.name)}, {workflow.state}: {done} of {len(workflow.steps)} steps "
        "have ended."
    )
    if workflow.state == "running":
        head += " Hubbub closes this issue when all have."
    elif workflow.state == "failed":
        head += " `/retry` does the steps that failed again, and the workflow goes on."
    return [head, _table(workflow.steps)]


def is_waiting_parent(task: FullTask, workflow: ShownWorkflow | None) -> bool:
    """Whether nobody works on the task itself, but on its steps, or its workflow failed."""
    is_free = task["state"] in CLAIMABLE
    return (
        is_free
        and workflow is not None
        and workflow.step is None
        and workflow.state in ("running", "failed")
    )


def head(workflow: ShownWorkflow | None) -> str:
    """The state of the parent in a few words."""
    return (
        "its workflow failed"
        if workflow and workflow.state == "failed"
        else "its steps are worked on"
    )


def next_step(workflow: ShownWorkflow) -> str:
    if workflow.state == "failed":
        return "somebody comments `/retry`, and the workflow goes on."
    return "its steps are done one after the other. Then Hubbub closes this issue."


def digest(workflow: ShownWorkflow | None) -> list[str]:
    """What people act on: how many steps have ended, and whether the workflow has."""
    return [] if workflow is None or workflow.step is not None else lines(workflow)[:1]


DONE = frozenset({"completed", "failed", "cancelled", "skipped", "taken out"})


def _table(shown: Sequence[ShownStep]) -> str:
    rows = [
        f"| {code(each.key)} | {f'#{each.number}' if each.number else ''} | {each.words} | "
        f"{code(each.holder) if each.holder else ''} |"
        for each in shown[:MOST_STEPS]
    ]
    more = len(shown) - MOST_STEPS
    if more > 0:
        rows.append(f"| {more} more | | | |")
    return "\n".join(["| step | issue | state | by |", "|---|---|---|---|", *rows])
