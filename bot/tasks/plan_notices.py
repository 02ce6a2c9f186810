"""Tells the holders of sub-tasks that the task above theirs, or the plan there, changed."""

from bot.identity.actors import BOT
from bot.kernel import event_recorder
from bot.kernel.notice_rules import Happening
from bot.tasks import lookup
from store.engine.transaction import Tx
from store.mirror import relations
from store.mirror.relations import Kind
from store.tasks import plan_holders, tasks
from store.tasks.tasks import FullTask

PLAN_CHANGED = "task.plan_changed"
# What changes the work below a task, by the kind of its event.
STEPS = {
    "task.cancelled": "was cancelled",
    "task.failed": "failed",
    "task.held": "was put on hold",
    "task.resumed": "is no longer on hold",
}
GRAPH = "has other sub-issues or blockers now"


async def tell_below(tx: Tx, task: FullTask, step: str, actor: str, why: object = None) -> None:
    """After a step of a task: tell those who hold tasks below it."""
    if (what := STEPS.get(step)) is not None:
        await _tell(tx, task, what, actor, why)


async def tell_of_graph(tx: Tx, installation_id: int, issue_id: int, actor: str) -> None:
    """The relations of an issue change: tell those who hold tasks of the same plan."""
    for each in await relations.targets(tx, installation_id, "parent", issue_id):
        await tell_of_sub_issues(tx, installation_id, each["other_id"], actor)


async def tell_of_sub_issues(tx: Tx, installation_id: int, parent_id: int, actor: str) -> None:
    """The sub-issues of an issue change, or the relations between them."""
    parent = await tasks.of_issue(tx, installation_id, parent_id)
    if parent is not None:
        await _tell(tx, parent, GRAPH, actor)


async def tell_of_relation(
    tx: Tx, installation_id: int, kind: Kind, source_id: int, target_id: int, actor: str
) -> None:
    """Somebody adds or removes a relation on GitHub."""
    if kind == "parent":
        await tell_of_sub_issues(tx, installation_id, target_id, actor)
    else:
        await tell_of_graph(tx, installation_id, source_id, actor)


async def _tell(tx: Tx, task: FullTask, what: str, actor: str, why: object = None) -> None:
    if task["issue_id"] is None:
        return
    here = (tx, task["installation_id"])
    holders = await plan_holders.below(*here, task["issue_id"])
    readers = tuple(sorted(holders - {actor, BOT}))
    if not readers:
        return
    data = {"what": what} | ({"why": why} if why else {})
    event = Happening(
        PLAN_CHANGED,
        task["id"],
        lookup.name(task),
        actor,
        data,
        repository_id=task["repository_id"],
        team=readers,
    )
    await event_recorder.append(*here, event)
