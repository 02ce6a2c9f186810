"""Related to a task: other issues, pull requests and boards."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from bot.kernel.operation import Context
from bot.tasks import merge_readiness, verdicts
from store.engine import json_text
from store.mirror import projects, pulls, relations
from store.mirror.pulls import NamingPull
from store.mirror.relations import Neighbour
from store.tables.mirror import IssueRow
from store.tasks.tasks import FullTask

# The most of each that an answer shows.
MOST = 50
MOST_PULLS = 10


class IssueRef(BaseModel):
    issue: str = Field(description="owner/repo#12")
    title: str | None = None
    state: str


class Review(BaseModel):
    by: str
    verdict: verdicts.ReviewState
    head: str = Field("", description="the commit that the reviewer looked at")
    outdated: bool = Field(False, description="whether commits were pushed since")


class PullRequest(BaseModel):
    pull_request: str = Field(description="owner/repo#12")
    title: str = ""
    state: Literal["open", "closed", "merged"]
    draft: bool = False
    head: str
    head_sha: str
    base: str
    review: verdicts.Decision = "none"
    reviews: list[Review] = Field([], description="the last verdict of each reviewer")
    checks_passed: int = 0
    checks_running: list[str] = []
    checks_failed: list[str] = []
    waits_for: list[str] = Field([], description="what must happen before it can be merged")
    files: list[str] = Field(
        [], description="the changed files, of the newest head whose files are known"
    )
    changed_files: int = Field(description="how many of the changed files are known, at most 1000")
    link: Literal["closes", "branch", "opened"] = Field(
        "closes",
        description="its body closes the issue, it has the task's branch, or the holder opened it",
    )

    def lean(self, title: str) -> Self:
        """Without the task's title, and the head of reviews of the newest commit."""
        reviews = [
            each.model_copy(update={"head": ""}) if each.head == self.head_sha else each
            for each in self.reviews
        ]
        own = "" if self.title == title else self.title
        return self.model_copy(update={"title": own, "reviews": reviews})


class BoardPlace(BaseModel):
    project: int
    title: str
    field: str | None = None
    status: str | None = None


class Around(BaseModel):
    labels: list[str] = []
    assignees: list[str] = []
    milestone: int | None = None
    parent: IssueRef | None = None
    sub_issues: list[IssueRef] = []
    blocked_by: list[IssueRef] = []
    pull_requests: list[PullRequest] = []
    boards: list[BoardPlace] = []


async def surroundings(ctx: Context, task: FullTask, issue: IssueRow | None) -> Around:
    """Everything related, from the mirror. `issue` is None until GitHub has numbered it."""
    if issue is None:
        return Around()
    i, issue_id = ctx.installation_id, issue["id"]
    parents = await relations.targets(ctx.tx, i, "parent", issue_id)
    return Around(
        labels=json_text.value(issue["labels"]),
        assignees=json_text.value(issue["assignees"]),
        milestone=issue["milestone"],
        parent=_refs(ctx, parents)[0] if _refs(ctx, parents) else None,
        sub_issues=_refs(ctx, await relations.sources(ctx.tx, i, "parent", issue_id)),
        blocked_by=_refs(ctx, await relations.targets(ctx.tx, i, "blocked_by", issue_id)),
        pull_requests=await _pull_requests(ctx, task),
        boards=[
            BoardPlace(
                project=row["number"],
                title=row["title"],
                field=row["field"],
                status=row["status"] or None,
            )
            for row in await projects.of_content(ctx.tx, i, issue["node_id"])
        ],
    )


def _refs(ctx: Context, rows: list[Neighbour]) -> list[IssueRef]:
    """The issues. Of an issue that the actor may not see, only that there is one."""
    reach = ctx.actor.repositories
    return [
        IssueRef(issue=row["name"], title=row["title"], state=row["state"])
        if reach is None or row["repository_id"] in reach
        else IssueRef(issue=relations.UNSEEN, title=None, state=row["state"])
        for row in rows[:MOST]
    ]


async def _pull_requests(ctx: Context, task: FullTask) -> list[PullRequest]:
    """The pull requests that name the issue, and the one that the holder opened."""
    here = (ctx.installation_id, task["repository_id"])
    rows = await pulls.naming(ctx.tx, *here, task["full_name"], task["number"])
    own = task["pull_number"]
    named = {(row["repository_id"], row["number"]) for row in rows}
    if own and (task["repository_id"], own) not in named:
        opened = await pulls.pull_request(ctx.tx, *here, own)
        if opened:
            ours: NamingPull = {**opened, "full_name": task["full_name"], "how": "opened"}
            rows = [ours, *rows]
    reach = ctx.actor.repositories
    seen = [row for row in rows if reach is None or row["repository_id"] in reach]
    return [await _pull_request_view(ctx, row) for row in seen[:MOST_PULLS]]


async def _pull_request_view(ctx: Context, row: NamingPull) -> PullRequest:
    here = (ctx.installation_id, row["repository_id"])
    number = row["number"]
    said = await verdicts.of_pull(ctx.tx, row)
    found = merge_readiness.checks(await pulls.check_runs(ctx.tx, *here, row["head_sha"]))
    unresolved = await pulls.unresolved_threads(ctx.tx, *here, number)
    touched = await pulls.files(ctx.tx, *here, number)
    files = [each["path"] for each in touched["files"]] if touched else []
    return PullRequest(
        pull_request=f"{row['full_name']}#{number}",
        title=row["title"],
        state="merged" if row["merged"] else "open" if row["state"] == "open" else "closed",
        draft=bool(row["draft"]),
        head=row["head_ref"],
        head_sha=row["head_sha"],
        base=row["base_ref"],
        review=verdicts.decision(said),
        reviews=[
            Review(by=each.by, verdict=each.verdict, head=each.head, outdated=each.outdated)
            for each in said[-MOST:]
        ],
        checks_passed=found.passed,
        checks_running=found.running,
        checks_failed=found.failed,
        waits_for=merge_readiness.waits_for(row, said, found, unresolved),
        files=files[:MOST],
        changed_files=len(files),
        link=row["how"],
    )
