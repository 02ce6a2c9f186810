"""Related to a task: other issues, pull requests and boards."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from bot.kernel.operation import Context
from bot.operations.github.text_trust import Author, Judge, judge_of
from bot.pulls import review_verdicts
from bot.repository import repository_settings
from bot.tasks import merge_readiness
from store.engine import json_text
from store.mirror import projects, pulls, relations
from store.mirror.relations import Neighbour
from store.mirror.text_policies import PolicyState
from store.tasks import related
from store.tasks.related import OpeningRow, RelatedPull
from store.tasks.tasks import FullTask

# The most of each that an answer shows.
MOST = 50
MOST_PULLS = 10
# How many that name the issue are looked at: some may be out of reach.
MOST_NAMING = 20


class IssueRef(BaseModel):
    issue: str = Field(description="owner/repo#12")
    title: str | None = None
    trusted: bool = Field(True, exclude_if=lambda trusted: trusted)
    state: str


class Review(BaseModel):
    by: str
    verdict: review_verdicts.ReviewState
    head: str = Field("", description="the commit that the reviewer looked at")
    outdated: bool = Field(False, description="whether commits were pushed since")


class PullRequest(BaseModel):
    pull_request: str = Field(description="owner/repo#12")
    title: str = ""
    trusted: bool = Field(
        True,
        description="false: an outsider wrote the title, and named the branch, files and checks",
        exclude_if=lambda trusted: trusted,
    )
    state: Literal["open", "closed", "merged"]
    draft: bool = False
    head: str
    head_sha: str
    base: str
    review: review_verdicts.Decision = "none"
    reviews: list[Review] = Field([], description="the last verdict of each reviewer")
    checks_passed: int = 0
    checks_running: list[str] = []
    checks_failed: list[str] = []
    logs: dict[str, str] = Field(
        {}, description="where the logs of failed checks are", exclude_if=lambda logs: not logs
    )
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


def policy_of(issue: OpeningRow, repository_id: int) -> PolicyState:
    """What the issue's row says about the policy of its repository."""
    return {
        "id": repository_id,
        "private": issue["private"] or 0,
        "settings": issue["settings"],
    }


async def relations_of(ctx: Context, issue: OpeningRow | None) -> relations.Around:
    if issue is None or not issue["has_relations"]:
        return {"parents": [], "sub_issues": [], "blockers": []}
    return await relations.around(ctx.tx, ctx.installation_id, issue["id"])


async def surroundings(
    ctx: Context, task: FullTask, issue: OpeningRow | None, around: relations.Around
) -> Around:
    """Everything related, from the mirror. `issue` is None until GitHub has numbered it."""
    if issue is None:
        return Around()
    named = await _pulls(ctx, task, issue)
    near = (*around["parents"], *around["sub_issues"], *around["blockers"])
    known = [policy_of(issue, task["repository_id"])]
    authors = [each for row in near if (each := _author(row))]
    authors += [_author_of_pull(row) for row in named]
    judge = await judge_of(ctx, authors, known=known)
    return Around(
        labels=json_text.value(issue["labels"]),
        assignees=json_text.value(issue["assignees"]),
        milestone=issue["milestone"],
        parent=next(iter(_refs(ctx, around["parents"], judge)), None),
        sub_issues=_refs(ctx, around["sub_issues"], judge),
        blocked_by=_refs(ctx, around["blockers"], judge),
        pull_requests=[await _pull_request_view(ctx, row, judge) for row in named],
        boards=await _boards(ctx, issue) if issue["on_boards"] else [],
    )


async def _boards(ctx: Context, issue: OpeningRow) -> list[BoardPlace]:
    return [
        BoardPlace(
            project=row["number"],
            title=row["title"],
            field=row["field"],
            status=row["status"] or None,
        )
        for row in await projects.of_content(ctx.tx, ctx.installation_id, issue["node_id"])
    ]


def _author(row: Neighbour) -> Author | None:
    """None for an issue that the mirror does not have. That has no title either."""
    if row["repository_id"] is None or row["author"] is None:
        return None
    association = row["author_association"] or ""
    return Author(row["repository_id"], row["author"], row["author_id"], association)


def _author_of_pull(row: RelatedPull) -> Author:
    return Author(row["repository_id"], row["author"], row["author_id"], row["author_association"])


def _refs(ctx: Context, rows: list[Neighbour], judge: Judge) -> list[IssueRef]:
    """The issues. Of an issue that the actor may not see, only that there is one."""
    reach = ctx.actor.repositories
    return [
        _ref(row, judge)
        if reach is None or row["repository_id"] in reach
        else IssueRef(issue=relations.UNSEEN, title=None, state=row["state"])
        for row in rows[:MOST]
    ]


def _ref(row: Neighbour, judge: Judge) -> IssueRef:
    title, trusted, author = row["title"], True, _author(row)
    if author and title is not None:
        title, trusted = judge.label(author, title)
    return IssueRef(issue=row["name"], title=title, trusted=trusted, state=row["state"])


async def _pulls(ctx: Context, task: FullTask, issue: OpeningRow) -> list[RelatedPull]:
    """The pull requests that name the issue, and the one that the holder opened."""
    rows = await related.pulls_naming(ctx.tx, task, MOST_NAMING) if issue["has_pulls"] else []
    own = task["pull_number"]
    named = {(row["repository_id"], row["number"]) for row in rows}
    if own and (task["repository_id"], own) not in named:
        opened = await related.pull_opened(ctx.tx, task)
        rows = [opened, *rows] if opened else rows
    reach = ctx.actor.repositories
    seen = [row for row in rows if reach is None or row["repository_id"] in reach]
    return seen[:MOST_PULLS]


async def _pull_request_view(ctx: Context, row: RelatedPull, judge: Judge) -> PullRequest:
    here = (ctx.tx, ctx.installation_id, row["repository_id"])
    said = await review_verdicts.of_pull(ctx.tx, row) if row["has_verdicts"] else []
    needed = (await repository_settings.of(*here)).check.approvals if row["state"] == "open" else 0
    runs = await pulls.check_runs(*here, row["head_sha"]) if row["has_checks"] else []
    found = merge_readiness.checks(runs)
    author = _author_of_pull(row)
    title, trusted = judge.label(author, row["title"])
    found = found if judge.shows(author) else found.without_names()
    files = [each["path"] for each in row["files"]] if judge.shows(author) else []
    return PullRequest(
        pull_request=f"{row['full_name']}#{row['number']}",
        title=title,
        trusted=trusted,
        state="merged" if row["merged"] else "open" if row["state"] == "open" else "closed",
        draft=bool(row["draft"]),
        head=judge.label(author, row["head_ref"])[0],
        head_sha=row["head_sha"],
        base=row["base_ref"],
        review=review_verdicts.decision(said, needed),
        reviews=[
            Review(by=each.by, verdict=each.verdict, head=each.head, outdated=each.outdated)
            for each in said[-MOST:]
        ],
        checks_passed=found.passed,
        checks_running=found.running,
        checks_failed=found.failed,
        logs=merge_readiness.logs(runs) if judge.shows(author) else {},
        waits_for=merge_readiness.waits_for(row, said, found, row["unresolved"], needed),
        files=files[:MOST],
        changed_files=len(row["files"]),
        link=row["how"],
    )
