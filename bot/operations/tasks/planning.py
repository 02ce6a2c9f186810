"""Makes tasks together with their relations: all is checked before anything is queued."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from bot.agents import presence
from bot.comments import cleaning
from bot.errors import Refused
from bot.kernel.operation import Context, TaskRef
from bot.operations.arguments import NOT_BLANK
from bot.operations.github import clean_texts, writing
from bot.operations.github.issue_fields import check_labels
from bot.operations.github.targets import Place, issue_of
from bot.operations.github.writing import Queued
from bot.operations.tasks import duplicate_tasks
from bot.operations.tasks.access import visible_task
from bot.outbox import forecast
from bot.repository import repository_settings
from bot.tasks import lookup, plans, task_labels
from bot.tasks.capabilities import Capability
from bot.tasks.plans import MOST_DEPENDENCIES, MOST_LEVELS, MOST_SUB_ISSUES, Relations
from bot.tasks.priorities import PRIORITIES, Priority
from bot.tasks.sizes import SIZES, Size
from bot.times import stamp
from store.mirror import dependency_cycles, relations
from store.outbox import writes
from store.tables.mirror import RepositoryRow
from store.tasks import planned_relations, tasks
from store.tasks.tasks import FullTask

ADD_LABEL = "Leave it out; github_update_issue with `create_labels` true creates and adds it"

# Every agent pays for a description, and those of create_task say the same.
UNDESCRIBED = WithJsonSchema({"type": "string"})
LabelName: TypeAlias = Annotated[str, Field(min_length=1, max_length=50)]
Labels: TypeAlias = Annotated[
    list[LabelName], Field(max_length=50, description="labels of the repository")
]
Blockers: TypeAlias = Annotated[
    list[Annotated[TaskRef, UNDESCRIBED]],
    Field(max_length=MOST_DEPENDENCIES, description="what must close first"),
]

DuplicateOk: TypeAlias = Annotated[bool, Field(description="although one is alike")]


class PlannedTask(BaseModel):
    """A task to make. `id` is its name in this call; `blocked_by` and `parent` may name such."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(min_length=1, max_length=40)]
    title: Annotated[str, Field(min_length=1, max_length=256), NOT_BLANK]
    body: Annotated[str, Field(max_length=60_000)] = ""
    priority: Priority = "medium"
    size: Size | None = None
    capabilities: Annotated[list[Annotated[Capability, UNDESCRIBED]], Field(max_length=20)] = []
    labels: Annotated[list[LabelName], Field(max_length=50)] = []
    blocked_by: Annotated[
        list[Annotated[TaskRef, UNDESCRIBED]], Field(max_length=MOST_DEPENDENCIES)
    ] = []
    parent: Annotated[TaskRef | None, UNDESCRIBED] = None


@dataclass(frozen=True)
class End:
    """An issue, or a task without an issue yet, that exists already."""

    key: str
    name: str
    repository_id: int
    number: int | None
    issue_id: int | None
    task_id: str | None


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


@dataclass
class Plan:
    """`given` and `relations` by the name of the task in the call, `ends` by their key."""

    ctx: Context
    where: RepositoryRow
    given: Mapping[str, PlannedTask]
    relations: dict[str, Relations] = field(default_factory=dict)
    ends: dict[str, End] = field(default_factory=dict)

    @cached_property
    def weight(self) -> int:
        """How long it takes to clean its texts."""
        return sum(cleaning.weight(each.body) for each in self.given.values())

    def name(self, key: str) -> str:
        end = self.ends.get(key)
        return end.name if end else repr(key)


async def make(
    ctx: Context, where: RepositoryRow, given: Mapping[str, PlannedTask], *, duplicate_ok: bool
) -> dict[str, Made]:
    """Make these tasks, by their names in the call. Raise Refused, before anything is queued.

    `duplicate_ok`: also those with the title of a task that was made today.
    """
    plan = Plan(ctx, where, given)
    await presence.check_may_work(ctx.tx, ctx.actor)
    await _find_ends(plan)
    _check_titles_differ(plan)
    if not duplicate_ok:
        await duplicate_tasks.check_new(ctx, where, [each.title for each in given.values()])
    labels = [label for each in given.values() for label in each.labels]
    await check_labels(ctx, where, labels, ADD_LABEL)
    await _check_cycles(plan)
    await _check_limits(plan)
    links = [link for key in given for link in _links(plan, key)]
    steps = _steps(plan, links)
    await writing.check_room(ctx, len(steps))
    return await _queue(plan, steps)


# --- Checks --------------------------------------------------------------------------------------


async def _find_ends(plan: Plan) -> None:
    """Find what the relations name. Raise Refused for what does not exist."""
    for key, each in plan.given.items():
        blockers = [await _key_of(plan, ref) for ref in each.blocked_by]
        parent = await _key_of(plan, each.parent) if each.parent else None
        if parent is not None and (end := plan.ends.get(parent)) is not None:
            here: Place = {"id": end.repository_id}
            await writing.check_not_on_hold(plan.ctx, here, {"number": end.number})
        plan.relations[key] = Relations(list(dict.fromkeys(blockers)), parent)


async def _key_of(plan: Plan, ref: str) -> str:
    """The name in the call that a reference means, or the key of what exists already."""
    if ref in plan.given:
        return ref
    end = await _existing(plan, ref)
    plan.ends[end.key] = end
    return end.key


async def _existing(plan: Plan, ref: str) -> End:
    if "#" in ref:
        whole = f"{plan.where['full_name']}{ref}" if ref.startswith("#") else ref
        issue = await issue_of(plan.ctx, whole)
        of_issue = await tasks.of_issue(plan.ctx.tx, plan.ctx.installation_id, issue["id"])
        return End(
            f"issue {issue['id']}",
            whole,
            issue["repository_id"],
            issue["number"],
            issue["id"],
            of_issue and of_issue["id"],
        )
    return _end_of(await _known_task(plan, ref))


async def _known_task(plan: Plan, ref: str) -> FullTask:
    try:
        return await visible_task(plan.ctx, ref)
    except Refused as exc:
        names = ", an `id` of this call" if len(plan.given) > 1 else ""
        raise Refused(
            exc.code, f"There is no task {ref!r}. Pass owner/repo#12, a task's id{names}."
        ) from exc


def _end_of(task: FullTask) -> End:
    key = f"issue {task['issue_id']}" if task["issue_id"] else f"task {task['id']}"
    return End(
        key,
        lookup.name(task),
        task["repository_id"],
        task["number"],
        task["issue_id"],
        task["id"],
    )


def _check_titles_differ(plan: Plan) -> None:
    seen: dict[str, str] = {}
    for key, each in plan.given.items():
        folded = " ".join(each.title.casefold().split())
        if folded in seen:
            raise Refused(
                "invalid_arguments",
                f"{seen[folded]!r} and {key!r} have the same title. Give each task its own title.",
            )
        seen[folded] = key


async def _check_cycles(plan: Plan) -> None:
    """Raise Refused if tasks would wait for each other, also by way of existing issues."""
    edges = plans.waits(plan.relations)
    ids = {end.issue_id for end in plan.ends.values() if end.issue_id}
    for edge in await dependency_cycles.reachable(plan.ctx.tx, plan.ctx.installation_id, ids):
        if edge.open:
            edges.add((f"issue {edge.waits}", f"issue {edge.awaited}"))
    if found := plans.cycle(edges, list(plan.given)):
        path = [plan.name(each) for each in found if each in plan.ends or each in plan.given]
        raise Refused(
            "invalid_arguments",
            f"These would wait for each other: {' → '.join(path)}. A task waits for what "
            "`blocked_by` names, and a parent for its sub-issues. Leave one relation out.",
        )


async def _check_limits(plan: Plan) -> None:
    """Raise Refused for relations that GitHub would refuse."""
    for key in {its.parent for its in plan.relations.values() if its.parent}:
        more = sum(its.parent == key for its in plan.relations.values())
        n = more + await _count(plan, key, "parent")
        _check_most(n, MOST_SUB_ISSUES, f"{plan.name(key)} would have {n} sub-issues")
    for key in {each for its in plan.relations.values() for each in its.blocked_by}:
        more = sum(key in its.blocked_by for its in plan.relations.values())
        n = more + await _count(plan, key, "blocked_by")
        _check_most(n, MOST_DEPENDENCIES, f"{plan.name(key)} would block {n} issues")
    for key in plan.given:
        above = plans.levels(plan.relations, key)
        n = 1 + len(above) + (await _height_above(plan, above[-1]) if above else 0)
        _check_most(n, MOST_LEVELS, f"{plan.name(key)} would be at level {n} of sub-issues")


def _check_most(n: int, most: int, what: str) -> None:
    if n > most:
        raise Refused("too_many", f"{what}; GitHub allows {most}.", most=most)


async def _count(plan: Plan, key: str, kind: relations.Kind) -> int:
    """How many sub-issues an existing issue has, or how many it blocks."""
    end = plan.ends.get(key)
    if end is None or end.issue_id is None:
        return 0
    here = (plan.ctx.tx, plan.ctx.installation_id)
    return len(await relations.sources(*here, kind, end.issue_id))


async def _height_above(plan: Plan, key: str) -> int:
    """How many parents an existing issue has above it."""
    end, n = plan.ends.get(key), 0
    issue_id = end.issue_id if end else None
    while issue_id is not None and n < MOST_LEVELS:
        above = await relations.targets(plan.ctx.tx, plan.ctx.installation_id, "parent", issue_id)
        issue_id = above[0]["mirrored_id"] if above else None
        n += bool(above)
    return n


# --- Writes --------------------------------------------------------------------------------------


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
