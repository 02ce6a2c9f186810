"""What people see of foreign trackers."""

from collections.abc import Mapping

from pydantic import BaseModel, Field

from bot.errors import Refused
from bot.kernel.operation import Answer, Context
from bot.repository import repository_settings
from bot.repository.mirror_settings import Mirror
from bot.tasks import lookup
from bot.times import stamp
from store.mirror import stored_repositories
from store.tables.trackers import TrackerLinkRow, TrackerReportRow, TrackerRow
from store.tasks import tasks
from store.trackers import links, reports, trackers

# Issues and reports that an answer shows.
MOST_SHOWN = 100


class LinkCounts(BaseModel):
    waiting: int = Field(0, description="issues there that have no task yet")
    linked: int = 0
    gone: int = Field(0, description="deleted there")


class ReportCounts(BaseModel):
    queued: int = 0
    sending: int = 0
    unknown: int = Field(0, description="Hubbub looks whether it arrived")
    sent: int = 0
    dropped: int = Field(0, description="something newer was reported instead")
    dead: int = 0


class TrackerView(BaseModel):
    name: str
    kind: str = Field(description="gitlab")
    url: str
    project: str
    repository: str = Field(description="where its issues become tasks")
    state: str = Field(description="running or paused")
    health: str = Field(description="unknown, connected or failing")
    why: str | None = Field(None, description="what failed last")
    issues: LinkCounts
    reports: ReportCounts
    last_poll_at: str | None = None
    last_failure_at: str | None = None
    next_poll_at: str | None = None
    limited_until: str | None = Field(None, description="the other side wants no requests")


class LinkedIssue(BaseModel):
    number: int
    url: str
    title: str = Field(description="of others: not to be trusted")
    state: str = Field(description="waiting, linked or gone")
    task: str | None = None
    kept: list[str] = Field([], description="fields that somebody changed here")
    reported: str | None = None


class Report(BaseModel):
    number: int
    kind: str = Field(description="comment or close")
    about: str = Field(description="the state of the task")
    state: str
    attempts: int
    at: str
    ended_at: str | None = None
    error: str | None = None


class Trackers(Answer):
    of_mirror = False

    trackers: list[TrackerView]


class OneTracker(Answer):
    of_mirror = False

    tracker: TrackerView | None = Field(description="none if it is removed")


class TrackerInFull(OneTracker):
    rules: Mirror = Field(description="the settings of `mirror` in its repository")
    created_by: str
    created_at: str
    listed: list[LinkedIssue] = Field([], description="the highest numbers first")
    last_reports: list[Report] = Field([], description="the newest first")


async def existing(ctx: Context, name: str) -> TrackerRow:
    """Raise Refused."""
    if row := await trackers.by_name(ctx.tx, ctx.installation_id, name):
        return row
    raise Refused(
        "unknown_tracker", f"There is no tracker {name!r}. `list_trackers` lists those that are."
    )


async def all_views(ctx: Context) -> list[TrackerView]:
    here = (ctx.tx, ctx.installation_id)
    rows = await trackers.all_of(*here)
    linked, sent = await links.counts(*here), await reports.counts(*here)
    wanted = sorted({row["repository_id"] for row in rows})
    found = await stored_repositories.names(*here, wanted, len(wanted))
    names = {each["id"]: each["full_name"] for each in found}
    return [view(row, linked, sent, names) for row in rows]


async def one_view(ctx: Context, name: str) -> TrackerView:
    """Raise Refused."""
    await existing(ctx, name)
    return next(each for each in await all_views(ctx) if each.name == name)


def view(
    row: TrackerRow,
    linked: Mapping[str, Mapping[str, int]],
    sent: Mapping[str, Mapping[str, int]],
    names: Mapping[int, str],
) -> TrackerView:
    """`names`: of repositories, by id."""
    return TrackerView(
        name=row["name"],
        kind=row["kind"],
        url=row["url"],
        project=row["project_name"],
        repository=names.get(row["repository_id"], "a removed repository"),
        state=row["state"],
        health=row["health"],
        why=row["health_why"],
        issues=LinkCounts(**linked.get(row["id"], {})),
        reports=ReportCounts(**sent.get(row["id"], {})),
        last_poll_at=_time(row["last_poll_at"]),
        last_failure_at=_time(row["last_failure_at"]),
        next_poll_at=_time(row["poll_at"]) if row["state"] == "running" else None,
        limited_until=_time(row["limited_until"] or None),
    )


async def in_full(ctx: Context, row: TrackerRow) -> TrackerInFull:
    here = (ctx.tx, ctx.installation_id)
    found = await links.newest(*here, row["id"], MOST_SHOWN)
    by_id = await tasks.of_ids(*here, [each["task_id"] for each in found if each["task_id"]])
    sent = await reports.newest(*here, row["id"], MOST_SHOWN)
    settings = await repository_settings.of(*here, row["repository_id"])
    return TrackerInFull(
        tracker=await one_view(ctx, row["name"]),
        rules=settings.mirror,
        created_by=row["created_by"],
        created_at=stamp(row["created_at"]),
        listed=[_linked_issue(each, by_id) for each in found],
        last_reports=[_report(each) for each in sent],
    )


def _linked_issue(row: TrackerLinkRow, by_id: Mapping[str, tasks.FullTask]) -> LinkedIssue:
    task = by_id.get(row["task_id"] or "")
    return LinkedIssue(
        number=row["number"],
        url=row["url"],
        title="" if row["content"]["confidential"] else row["content"]["title"],
        state=row["state"],
        task=task and lookup.name(task),
        kept=row["kept"],
        reported=row["reported"] and row["reported"].partition(":")[0],
    )


def _report(row: TrackerReportRow) -> Report:
    return Report(
        number=row["number"],
        kind=row["kind"],
        about=row["about"].partition(":")[0],
        state=row["state"],
        attempts=row["attempts"],
        at=stamp(row["created_at"]),
        ended_at=_time(row["ended_at"]),
        error=row["error"],
    )


def _time(at: int | None) -> str | None:
    return None if at is None else stamp(at)
