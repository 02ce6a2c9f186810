"""The plan under a task: its sub-issues at all levels, in the order in which they can be done."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, Field

from bot.comments import replies
from bot.kernel.operation import Answer, Context, Slash, TaskRef, operation
from bot.operations.tasks import task_titles
from bot.operations.tasks.access import visible_task
from bot.operations.tasks.blockers import blockers
from bot.tasks import eligibility, lookup, plans
from bot.tasks.plans import MOST_LEVELS, Relations
from bot.tasks.states import CLAIMABLE
from store.mirror import relations
from store.mirror.relations import Awaited
from store.tables.tasks import TaskState
from store.tasks import tasks
from store.tasks.tasks import FullTask
from store.workflows import plan_proposals

# Sub-issues of a plan that an answer shows.
MOST = 100


class Step(BaseModel):
    issue: str = Field(description="owner/repo#12")
    level: int = Field(description="1: a sub-issue of the task; 2: one of its sub-issues; and on")
    title: str = Field("", description="of a task")
    state: TaskState | Literal["blocked", "open", "closed"] = Field(
        description="open or closed, if it is not a task"
    )
    holder: str | None = None
    waits_for: list[str] = Field([], exclude_if=lambda names: not names)
    ready: bool = Field(False, description="an agent can claim it now")
    held: bool = Field(False, description="on hold", exclude_if=lambda held: not held)
    pull_request: int | None = None


class ProposedStep(BaseModel):
    step: str
    title: str
    body: str = ""
    needs: list[str] = Field([], exclude_if=lambda names: not names)


class TaskPlan(Answer):
    task: str
    done: int = Field(description="how many steps are closed")
    total: int
    more: bool = Field(False, description="whether there are more steps than are shown")
    steps: list[Step]
    proposed: list[ProposedStep] = Field(
        [],
        description="of the plan that waits for approval",
        exclude_if=lambda steps: not steps,
    )


@dataclass
class Tree:
    """The sub-issues that were found, by the id of the issue."""

    children: dict[int, list[Awaited]] = field(default_factory=dict)
    more: bool = False

    @property
    def issues(self) -> list[Awaited]:
        return [each for some in self.children.values() for each in some]


def _plan_reply(answer: TaskPlan) -> str:
    if answer.proposed:
        n = len(answer.proposed)
        return replies.plan_waits(n)
    return replies.plan_list(
        [(each.level, _line(each)) for each in answer.steps],
        [each.issue for each in answer.steps if each.ready],
        answer.done,
        answer.total,
        more=answer.more,
    )


def _line(step: Step) -> str:
    waits = f", waits for {', '.join(step.waits_for)}" if step.waits_for else ""
    return replies.plan_line(
        step.issue,
        step.title,
        "on hold" if step.held else replies.STATE_WORDS.get(step.state, step.state),
        holder=step.holder,
        more=f"{', can be claimed now' if step.ready else ''}{waits}",
        pull_number=step.pull_request,
    )


PLAN = Slash(
    "plan",
    "show the sub-issues of this task, who works on them, and what is next",
    reply=_plan_reply,
)


@operation(reads_only=True, slashes=(PLAN,))
async def get_plan(ctx: Context, task: TaskRef) -> TaskPlan:
    """Return the sub-issues under a task, at all levels: state, holder, and what each waits for."""
    row = await visible_task(ctx, task)
    tree = await _tree(ctx, row["issue_id"]) if row["issue_id"] is not None else Tree()
    ids = [each["other_id"] for each in tree.issues]
    rows = await tasks.of_issues(ctx.tx, ctx.installation_id, ids, ctx.actor.repositories)
    rows = [eligibility.without_expired_lease(each, ctx.now) for each in rows]
    found = {each["issue_id"]: each for each in await task_titles.with_titles(ctx, rows)}
    waits = await blockers(ctx, rows)
    order = await _order(ctx, row["issue_id"], tree)
    steps = [_step(ctx, each, level, found.get(each["other_id"]), waits) for each, level in order]
    done = sum(each["state"] == "closed" for each in tree.issues)
    return TaskPlan(
        task=lookup.name(row),
        done=done,
        total=len(ids),
        more=tree.more,
        steps=steps,
        proposed=await _waiting_plan(ctx, row),
    )


async def _waiting_plan(ctx: Context, row: FullTask) -> list[ProposedStep]:
    plan = await plan_proposals.waiting(ctx.tx, ctx.installation_id, row["id"])
    steps = plan["definition"]["steps"] if plan else []
    return [
        ProposedStep(
            step=each["id"],
            title=each["title"],
            body=each.get("body", ""),
            needs=list(each.get("needs", ())),
        )
        for each in steps
    ]


async def _tree(ctx: Context, root: int) -> Tree:
    """Level by level: GitHub allows eight, and a sub-issue has one parent."""
    tree, seen, level = Tree(), {root}, [root]
    for _ in range(MOST_LEVELS):
        found = await relations.sub_issues_of(ctx.tx, ctx.installation_id, level)
        new = [each for each in found if each["other_id"] not in seen]
        room = MOST - len(seen) + 1
        tree.more = tree.more or len(new) > room
        for each in new[:room]:
            tree.children.setdefault(each["waits_id"], []).append(each)
        level = [each["other_id"] for each in new[:room]]
        seen.update(level)
        if not level:
            break
    return tree


async def _order(ctx: Context, root: int | None, tree: Tree) -> list[tuple[Awaited, int]]:
    """Each parent before its sub-issues, and of those a blocker before what it blocks."""
    if root is None:
        return []
    ids = {each["other_id"] for each in tree.issues}
    blocked: dict[int, list[str]] = {}
    for each in await relations.blockers_of(ctx.tx, ctx.installation_id, ids):
        blocked.setdefault(each["waits_id"], []).append(str(each["other_id"]))
    plan = {str(each): Relations(blocked_by=blocked.get(each, ())) for each in sorted(ids)}
    place = {key: n for n, key in enumerate(plans.creation_order(plan))}

    def below(issue_id: int, level: int) -> list[tuple[Awaited, int]]:
        listed: list[tuple[Awaited, int]] = []
        some = tree.children.get(issue_id, ())
        for each in sorted(some, key=lambda one: place[str(one["other_id"])]):
            listed += [(each, level), *below(each["other_id"], level + 1)]
        return listed

    return below(root, 1)


def _step(
    ctx: Context,
    issue: Awaited,
    level: int,
    task: FullTask | None,
    waits: dict[str, list[str]],
) -> Step:
    (name,) = eligibility.names(ctx.actor, [issue])
    if task is None:
        state: Literal["open", "closed"] = "closed" if issue["state"] == "closed" else "open"
        return Step(issue=name, level=level, state=state)
    waiting = waits.get(task["id"], [])
    is_free = task["state"] in CLAIMABLE and not task["held"]
    return Step(
        issue=name,
        level=level,
        title=task["title"],
        state="blocked" if waiting else task["state"],
        holder=_holder(task),
        waits_for=waiting,
        ready=is_free and not waiting and task["assigned_to"] is None,
        held=bool(task["held"]),
        pull_request=task["pull_number"],
    )


def _holder(task: FullTask) -> str | None:
    return task["holder"] or task["assigned_to"]
