"""Makes tasks together with their relations: all is checked before anything is queued."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.agents import presence
from bot.identity.actors import BOT
from bot.kernel.operation import Context
from bot.operations.github import clean_texts, writing
from bot.operations.github.writing import Queued
from bot.operations.tasks import plan_checks
from bot.operations.tasks.plan_checks import End, Plan
from bot.operations.tasks.planned_tasks import PlannedTask
from bot.outbox import forecast
from bot.repository import repository_settings
from bot.tasks import plans, task_labels
from bot.tasks.priorities import PRIORITIES
from bot.tasks.sizes import SIZES
from bot.tenants import limits
from bot.times import stamp
from store.outbox import writes
from store.tables.mirror import RepositoryRow
from store.tasks import planned_relations, tasks


@dataclass
class Made:
    """A task with the writes of its issue and of its relations."""

    task_id: str
    writes: list[Queued] = field(default_factory=list)
    cleaned: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Link:
    """A write to queue, of this kind: the issue of a task, or its relation to another one."""

    kind: str
    key: str
    other: str


async def make(
    ctx: Context,
    where: RepositoryRow,
    given: Mapping[str, PlannedTask],
    *,
    duplicate_ok: bool,
    held: Mapping[str, str] | None = None,
) -> dict[str, Made]:
    """Make these tasks, by their names in the call. Raise Refused, before anything is queued.

    `duplicate_ok`: also those with the title of a task that was made today. `held`: why tasks of
    a workflow are on hold from the beginning. Several tasks of a workflow may have one title.
    """
    plan = Plan(ctx, where, given, held or {}, may_repeat_titles=held is not None)
    await presence.check_may_work(ctx.tx, ctx.actor)
    await plan_checks.check(plan, duplicate_ok=duplicate_ok)
    links = [link for key in given for link in _links(plan, key)]
    steps = _steps(plan, links)
    await writing.check_room(ctx, len(steps))
    await limits.check_tasks(ctx, len(given))
    return await _queue(plan, steps)


def _links(plan: Plan, key: str) -> list[Link]:
    its = plan.relations[key]
    over = [Link("sub_issue", key, its.parent)] if its.parent else []
    return over + [Link("blocked_by", key, each) for each in its.blocked_by]


def _steps(plan: Plan, links: Sequence[Link]) -> list[Link]:
    """The writes in their order: each relation follows the issues at both of its ends."""
    steps: list[Link] = []
    there = set(plan.ends)
    left = list(links)
    for key in plans.creation_order(plan.relations):
        steps.append(Link("issue", key, key))
        there.add(key)
        possible = [each for each in left if {each.key, each.other} <= there]
        left = [each for each in left if each not in possible]
        steps += possible
    return steps


async def _queue(plan: Plan, steps: Sequence[Link]) -> dict[str, Made]:
    ctx = plan.ctx
    soonest = await forecast.of_series(
        ctx.tx,
        ctx.installation_id,
        kinds=[each.kind for each in steps],
        author=ctx.actor.name,
        lane=writes.AGENTS,
    )
    made: dict[str, Made] = {}
    for step, its in zip(steps, soonest, strict=True):
        if step.kind == "issue":
            made[step.key], write_id = await _queue_issue(plan, step.key)
        else:
            write_id = await _queue_relation(plan, step, made)
        made[step.key].writes.append(
            Queued(
                write_id=write_id,
                kind=step.kind,
                state="queued",
                ahead=its.ahead,
                expected_at=stamp(its.at),
            )
        )
    return {key: made[key] for key in plan.given}


async def _queue_issue(plan: Plan, key: str) -> tuple[Made, str]:
    """The task, and the id of the write that opens its issue."""
    ctx, each, where = plan.ctx, plan.given[key], plan.where
    given = {"title": each.title, "body": each.body, "labels": each.labels}
    texts, cleaned = await clean_texts.clean(ctx, where, given, of_call=plan.weight)
    task_id = await tasks.create(
        ctx.tx,
        ctx.installation_id,
        repository_id=where["id"],
        title=texts["title"],
        **_fields(each),
        **_hold(plan.held.get(key)),
    )
    settings = await repository_settings.of(ctx.tx, ctx.installation_id, where["id"])
    labels = list(dict.fromkeys([settings.task_label, *each.labels]))
    write_id = await writes.queue(
        ctx.tx,
        ctx.installation_id,
        kind="issue",
        repository_id=where["id"],
        target=f"task {task_id}",
        arguments={**texts, "labels": labels, "task_id": task_id},
        author=ctx.actor.name,
        task_id=task_id,
    )
    return Made(task_id, cleaned=cleaned), write_id


def _fields(each: PlannedTask) -> dict[str, Any]:
    """The columns of the task. A label that sets one wins, because people see it."""
    by_label = task_labels.task_fields(each.labels)
    needs = {*each.capabilities, *by_label.get("capabilities", ())}
    return {
        "priority": PRIORITIES.index(each.priority),
        "size": None if each.size is None else SIZES.index(each.size),
        **by_label,
        "capabilities": sorted(needs),
    }


def _hold(why: str | None) -> dict[str, Any]:
    """The columns of a task that nobody may begin before Hubbub ends its hold."""
    return {} if why is None else {"held": 1, "held_by": BOT, "held_why": why}


async def _queue_relation(plan: Plan, link: Link, made: Mapping[str, Made]) -> str:
    """Queue the write of a relation. It waits until GitHub has the issues at both ends."""
    ctx, task_id = plan.ctx, made[link.key].task_id
    end = plan.ends.get(link.other)
    other_task = end.task_id if end else made[link.other].task_id
    over = link.kind == "sub_issue"
    write_id = await writes.queue(
        ctx.tx,
        ctx.installation_id,
        kind=link.kind,
        repository_id=end.repository_id if over and end else plan.where["id"],
        # Behind the write of its own issue.
        target=f"task {task_id}",
        arguments=_parent(task_id, end, other_task) if over else _blocker(task_id, end, other_task),
        author=ctx.actor.name,
        task_id=task_id,
    )
    waiting = {task_id, *([other_task] if over and other_task else [])}
    await planned_relations.add(ctx.tx, ctx.installation_id, write_id, sorted(waiting))
    return write_id


def _parent(task_id: str, end: End | None, parent_task: str | None) -> dict[str, Any]:
    numbered = {"number": end.number} if end and end.number else {"number_of": parent_task}
    return {**numbered, "issue_of": task_id, "replace_parent": True}


def _blocker(task_id: str, end: End | None, other_task: str | None) -> dict[str, Any]:
    known = {"issue_id": end.issue_id} if end and end.issue_id else {"issue_of": other_task}
    return {"number_of": task_id, **known}
