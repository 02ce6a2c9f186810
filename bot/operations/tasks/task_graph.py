"""The graph of tasks: parents and sub-issues, and what blocks what."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, Field

from bot.kernel.operation import Answer, Context, RepositoryName, TaskRef, operation
from bot.kernel.pagination import Limit
from bot.operations.tasks import task_titles
from bot.operations.tasks.access import visible_repository, visible_task
from bot.operations.tasks.blockers import blockers
from bot.operations.tasks.views import BY_OUTSIDER
from bot.tasks import eligibility
from bot.tasks.states import OPEN
from store.mirror import dependency_cycles, relations
from store.mirror.dependency_cycles import ENDS, Edge
from store.mirror.relations import NamedIssue
from store.tables.tasks import TaskState
from store.tasks import listing, tasks
from store.tasks.tasks import FullTask

# Issues that an answer shows, for each open task from which it starts.
FOR_EACH_SEED = 2
# How far from a task the graph reaches. GitHub allows eight levels of sub-issues.
MOST_STEPS = 8


class Node(BaseModel):
    key: int = Field(description="tells the issues of this answer apart")
    issue: str = Field(description="owner/repo#12")
    title: str = Field("", description="of a task")
    title_by: str | None = Field(None, description=BY_OUTSIDER)
    state: TaskState | Literal["blocked", "open", "closed"]
    is_task: bool
    holder: str | None = None
    held: bool = False


class Link(BaseModel):
    kind: Literal["parent", "blocked_by"]
    source: int = Field(description="the sub-issue, or the blocked issue")
    target: int = Field(description="the parent, or the blocker")
    cyclic: bool = Field(False, description="part of a cycle, so it blocks nothing")


class TaskGraph(Answer):
    nodes: list[Node] = Field(description="issues with at least one relation")
    links: list[Link]
    loose: int = Field(0, description="open tasks among those looked at that have no relation")
    more: bool = Field(False, description="there are more issues than are shown")


@dataclass
class Found:
    """The issues that were found, in the order in which they were found."""

    most: int
    ids: dict[int, None] = field(default_factory=dict)
    edges: dict[tuple[str, int, int], Edge] = field(default_factory=dict)
    more: bool = False

    def add(self, ids: Collection[int]) -> list[int]:
        """Add as many as there is room for. Return the new ones."""
        new = [each for each in ids if each not in self.ids]
        room = self.most - len(self.ids)
        self.more = self.more or len(new) > room
        self.ids |= dict.fromkeys(new[:room])
        return new[:room]

    @property
    def links(self) -> list[Edge]:
        """Those between issues that are shown."""
        return [e for e in self.edges.values() if e.waits in self.ids and e.awaited in self.ids]


@operation(reads_only=True)
async def get_graph(
    ctx: Context,
    task: TaskRef | None = None,
    repository: RepositoryName | None = None,
    limit: Limit = 100,
) -> TaskGraph:
    """Return how issues depend on each other: around a task, or those of the open tasks."""
    seeds = await _seeds(ctx, task, repository, limit + 1)
    found = Found(limit * FOR_EACH_SEED, more=len(seeds) > limit)
    new = found.add(seeds[:limit])
    for _ in range(MOST_STEPS if task else 1):
        new = found.add(await _neighbours(ctx, found, await _visible(ctx, new)))
        if not new:
            break
    else:
        # The relations among the issues that were found last.
        await _neighbours(ctx, found, await _visible(ctx, new))
    links = found.links
    shown = {end for each in links for end in (each.waits, each.awaited)}
    if task:
        shown.update(seeds)
    # GitHub's ids of issues out of reach stay hidden.
    keys = {each: n for n, each in enumerate(each for each in found.ids if each in shown)}
    return TaskGraph(
        nodes=await _nodes(ctx, keys),
        links=[_link(each, keys) for each in links],
        loose=sum(each not in shown for each in seeds[:limit]),
        more=found.more,
    )


async def _seeds(ctx: Context, task: str | None, repository: str | None, limit: int) -> list[int]:
    """The issue of the task, or those of the newest open tasks."""
    if task is not None:
        row = await visible_task(ctx, task)
        return [row["issue_id"]] if row["issue_id"] is not None else []
    where = await visible_repository(ctx, repository) if repository else None
    sought = listing.Sought(
        states=OPEN,
        repository_id=where["id"] if where else None,
        repositories=ctx.actor.repositories,
    )
    rows = await listing.listed_page(ctx.tx, ctx.installation_id, sought, None, limit)
    return [row["issue_id"] for row in rows if row["issue_id"] is not None]


async def _neighbours(ctx: Context, found: Found, ids: Collection[int]) -> list[int]:
    """The issues at the other ends of these issues' relations, which it notes."""
    others: dict[int, None] = {}
    for kind in ENDS:
        for end in ("waits", "awaited"):
            for each in await dependency_cycles.edges(
                ctx.tx, ctx.installation_id, kind, **{end: ids}
            ):
                found.edges[each.kind, each.waits, each.awaited] = each
                others |= dict.fromkeys((each.waits, each.awaited))
    return list(others)


async def _visible(ctx: Context, ids: Collection[int]) -> list[int]:
    """Those within the caller's reach. The graph does not go on beyond the others."""
    issues = await relations.named_issues(ctx.tx, ctx.installation_id, ids)
    return [each for each in ids if each in issues and _is_visible(ctx, issues[each])]


def _link(edge: Edge, keys: dict[int, int]) -> Link:
    source, target = (
        (edge.waits, edge.awaited) if edge.kind == "blocked_by" else (edge.awaited, edge.waits)
    )
    kind: Literal["parent", "blocked_by"] = "parent" if edge.kind == "parent" else "blocked_by"
    return Link(kind=kind, source=keys[source], target=keys[target], cyclic=edge.cyclic)


async def _nodes(ctx: Context, keys: dict[int, int]) -> list[Node]:
    ids = list(keys)
    rows = await tasks.of_issues(ctx.tx, ctx.installation_id, ids, ctx.actor.repositories)
    rows = [eligibility.without_expired_lease(each, ctx.now) for each in rows]
    of_tasks = {each["issue_id"]: each for each in await task_titles.with_titles(ctx, rows)}
    waits = await blockers(ctx, rows)
    issues = await relations.named_issues(ctx.tx, ctx.installation_id, ids)
    return [
        _node(ctx, key, of_tasks.get(each), issues.get(each), waits) for each, key in keys.items()
    ]


def _node(
    ctx: Context,
    key: int,
    task: FullTask | None,
    issue: NamedIssue | None,
    waits: dict[str, list[str]],
) -> Node:
    if task is None:
        return Node(key=key, issue=_name(ctx, issue), state=_state(ctx, issue), is_task=False)
    return Node(
        key=key,
        issue=f"{task['full_name']}#{task['number']}",
        title=task["title"],
        title_by=task["outsider"],
        state="blocked" if waits.get(task["id"]) else task["state"],
        is_task=True,
        holder=task["holder"] or task["assigned_to"],
        held=bool(task["held"]),
    )


def _is_visible(ctx: Context, issue: NamedIssue) -> bool:
    reach = ctx.actor.repositories
    return reach is None or issue["repository_id"] in reach


def _name(ctx: Context, issue: NamedIssue | None) -> str:
    """For an issue that the caller cannot see, only that there is one."""
    if issue is None or not _is_visible(ctx, issue):
        return relations.UNSEEN
    return f"{issue['full_name']}#{issue['number']}"


def _state(ctx: Context, issue: NamedIssue | None) -> Literal["open", "closed"]:
    if issue is None or not _is_visible(ctx, issue):
        return "open"
    return "closed" if issue["state"] == "closed" else "open"
