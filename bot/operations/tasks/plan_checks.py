"""Whether the tasks of a plan and their relations can be made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from bot.comments import cleaning
from bot.errors import Refused
from bot.kernel.operation import Context
from bot.operations.github import writing
from bot.operations.github.issue_fields import check_labels
from bot.operations.github.targets import Place, issue_of
from bot.operations.tasks import duplicate_tasks
from bot.operations.tasks.access import visible_task
from bot.operations.tasks.planned_tasks import PlannedTask
from bot.tasks import lookup, plans
from bot.tasks.plans import MOST_DEPENDENCIES, MOST_LEVELS, MOST_SUB_ISSUES, Relations
from store.mirror import dependency_cycles, relations, stored_issues
from store.outbox import queued_relations
from store.tables.mirror import RepositoryRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

ADD_LABEL = "Leave it out; github_update_issue with `create_labels` true creates and adds it"


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
class Plan:
    """`given` and `relations` by the name of the task in the call, `ends` by their key.

    `held`: why tasks begin on hold.
    """

    ctx: Context
    where: RepositoryRow
    given: Mapping[str, PlannedTask]
    held: Mapping[str, str] = field(default_factory=dict)
    may_repeat_titles: bool = False
    relations: dict[str, Relations] = field(default_factory=dict)
    ends: dict[str, End] = field(default_factory=dict)

    @cached_property
    def weight(self) -> int:
        """How long it takes to clean its texts."""
        return sum(cleaning.weight(each.body) for each in self.given.values())

    def name(self, key: str) -> str:
        end = self.ends.get(key)
        return end.name if end else repr(key)


async def check(plan: Plan, *, duplicate_ok: bool) -> None:
    """Raise Refused for what cannot be made. Afterwards the plan has its relations and ends."""
    await _find_ends(plan)
    if not plan.may_repeat_titles:
        _check_titles_differ(plan)
    given = plan.given.values()
    if not duplicate_ok:
        await duplicate_tasks.check_new(plan.ctx, plan.where, [each.title for each in given])
    labels = [label for each in given for label in each.labels]
    await check_labels(plan.ctx, plan.where, labels, ADD_LABEL)
    await _check_cycles(plan)
    await _check_limits(plan)


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
        names = "a task's id, or an `id` of this call" if len(plan.given) > 1 else "or a task's id"
        raise Refused(exc.code, f"There is no task {ref!r}. Pass owner/repo#12, {names}.") from exc


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
    """Raise Refused if tasks would wait for each other, also by way of what exists or is queued."""
    edges = plans.waits(plan.relations)
    ids = {end.issue_id for end in plan.ends.values() if end.issue_id}
    for waits, awaited in await _queued_relations(plan) if plan.ends else ():
        edges.add((waits, awaited))
        ids |= {int(each.split()[1]) for each in (waits, awaited) if each.startswith("issue ")}
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


async def _queued_relations(plan: Plan) -> list[tuple[str, str]]:
    """The relations of other plans that GitHub does not have yet: who waits, and for whom."""
    here = (plan.ctx.tx, plan.ctx.installation_id)
    found = []
    for write in await queued_relations.awaited_writes(*here):
        given = write["arguments"]
        if task_id := given.get("number_of"):
            waits = await _key_of_task(plan, task_id)
        else:
            issue = await stored_issues.issue(*here, write["repository_id"], given["number"])
            waits = issue and f"issue {issue['id']}"
        if task_id := given.get("issue_of"):
            awaited = await _key_of_task(plan, task_id)
        else:
            awaited = f"issue {given['issue_id']}"
        found += [(waits, awaited)] if waits and awaited else []
    return found


async def _key_of_task(plan: Plan, task_id: str) -> str | None:
    task = await tasks.get(plan.ctx.tx, plan.ctx.installation_id, task_id)
    return task and _end_of(task).key


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
