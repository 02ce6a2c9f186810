"""The content of the simulated GitHub and of the mirror, in one form, for comparison."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

from fixtures.github import Issue, Pull, Repository, SimulatedGitHub
from fixtures.github.commits import file_changes_of
from fixtures.github.projects import Draft
from fixtures.github.state import CheckRun, Progress
from store.engine.transaction import Row


class Mirror(Protocol):
    """The rows of one installation, such as those of a workspace."""

    async def rows(self, sql: str, **params: Any) -> list[dict[str, Any]]: ...
    async def mirror_content(self, table: str) -> list[dict[str, Any]]: ...


# Rows by kind of object.
Content = dict[str, set[tuple[Any, ...]]]


def names(values: Any) -> str:
    return json.dumps(sorted(values), ensure_ascii=False)


def micros(stamp: str | None) -> int | None:
    return int(datetime.fromisoformat(stamp).timestamp()) * 1_000_000 if stamp else None


def of_github(repository: Repository) -> Content:
    """The state of the simulated GitHub. It comes from the simulator, not from code under test."""
    threads = list(repository.threads.values())
    pulls = [each.pull for each in threads if each.pull is not None]
    return {
        "repository": {
            (
                repository.full_name,
                repository.private,
                repository.archived,
                repository.default_branch,
            )
        },
        "issues": {_issue(each) for each in threads if each.pull is None},
        "pull_requests": {_pull(each) for each in pulls},
        "comments": {
            (each.id, thread.number, each.user.login, each.body, micros(each.updated_at))
            for thread in threads
            for each in thread.comments
            if not each.deleted
        },
        "reviews": {
            (each.id, pull.number, each.user.login, each.state.lower(), each.body, each.commit_id)
            for pull in pulls
            for each in pull.reviews
        },
        "review_comments": {
            (
                each.id,
                pull.number,
                each.user.login,
                each.path,
                each.body,
                each.in_reply_to.id if each.in_reply_to else None,
                micros(each.updated_at),
            )
            for pull in pulls
            for each in pull.review_comments
            if not each.deleted
        },
        "labels": {
            (each.id, each.name, each.color, each.description or "")
            for each in repository.labels.values()
        },
        "milestones": {
            (each.id, each.number, each.title, each.description or "", each.state)
            for each in repository.milestones.values()
        },
        "branches": set(repository.branches.items()),
        "pull_files": {
            (each.number, each.head_sha, _files(each)) for each in pulls if is_open(each)
        },
    }


def is_open(pull: Pull) -> bool:
    return pull.state == "open"


def _issue(it: Issue) -> tuple[Any, ...]:
    return (
        it.id,
        it.number,
        it.title,
        it.body or "",
        it.user.login,
        it.state,
        it.state_reason,
        names(each.name for each in it.labels),
        names(each.login for each in it.assignees),
        it.milestone.number if it.milestone else None,
        it.type.name if it.type else "",
        it.locked,
        micros(it.closed_at),
        micros(it.updated_at),
    )


def _pull(it: Pull) -> tuple[Any, ...]:
    return (
        it.number,
        it.title,
        it.body or "",
        it.user.login,
        it.state,
        it.draft,
        it.is_merged,
        it.head,
        it.head_sha,
        it.base,
        names(each.name for each in it.labels),
        names(each.login for each in it.assignees),
        it.issue.milestone.number if it.issue.milestone else None,
        micros(it.merged_at),
    )


def _files(pull: Pull) -> str:
    return json.dumps(sorted([each.path, each.status] for each in file_changes_of(pull)))


# Booleans are 0 and 1 on both engines, which equal False and True.
COLUMNS = {
    "repositories": ("full_name", "private", "archived", "default_branch"),
    "issues": (
        *("id", "number", "title", "body", "author", "state", "state_reason", "labels"),
        *("assignees", "milestone", "type", "locked", "closed_at", "updated_at"),
    ),
    "pull_requests": (
        *("number", "title", "body", "author", "state", "draft", "merged", "head_ref"),
        *("head_sha", "base_ref", "labels", "assignees", "milestone", "merged_at"),
    ),
    "comments": ("id", "number", "author", "body", "updated_at"),
    "reviews": ("id", "number", "author", "state", "body", "commit_id"),
    "review_comments": ("id", "number", "author", "path", "body", "in_reply_to_id", "updated_at"),
    "labels": ("id", "name", "color", "description"),
    "milestones": ("id", "number", "title", "description", "state"),
    "refs": ("name", "sha"),
}


def _values(table: str, rows: Iterable[Row]) -> set[tuple[Any, ...]]:
    return {tuple(row[name] for name in COLUMNS[table]) for row in rows}


async def of_mirror(workspace: Mirror, repository: Repository) -> Content:
    async def rows(table: str) -> list[Row]:
        found = await workspace.mirror_content(table)
        return [row for row in found if row["repository_id"] == repository.id]

    branches = await workspace.rows(
        "SELECT name, sha FROM refs WHERE installation_id = :i AND repository_id = :r",
        r=repository.id,
    )
    issues, pulls = await rows("issues"), await rows("pull_requests")
    there = {row["number"] for row in (*issues, *pulls)}
    repositories = await workspace.mirror_content("repositories")
    plain = ("reviews", "review_comments", "labels", "milestones")
    return {
        "repository": _values(
            "repositories", (row for row in repositories if row["id"] == repository.id)
        ),
        "issues": _values("issues", (row for row in issues if not row["is_pull_request"])),
        "pull_requests": _values("pull_requests", pulls),
        # A comment on a deleted issue is deleted with it.
        "comments": _values(
            "comments", (row for row in await rows("comments") if row["number"] in there)
        ),
        **{table: _values(table, await rows(table)) for table in plain},
        "branches": _values("refs", branches),
        "pull_files": await _files_of_mirror(workspace, repository, pulls),
    }


async def _files_of_mirror(
    workspace: Mirror, repository: Repository, pulls: Sequence[Row]
) -> set[tuple[Any, ...]]:
    """The files of open pull requests. Hubbub does not update those of closed ones."""
    found = await workspace.rows(
        "SELECT number, head_sha, files FROM pull_files WHERE installation_id = :i "
        "AND repository_id = :r",
        r=repository.id,
    )
    opened = {row["number"] for row in pulls if row["state"] == "open"}
    return {
        (
            row["number"],
            row["head_sha"],
            json.dumps(sorted([each["path"], each["status"]] for each in json.loads(row["files"]))),
        )
        for row in found
        if row["number"] in opened
    }


def builds_of_github(repository: Repository) -> Content:
    """Checks, workflow runs and resolved threads. Webhooks report them; a backfill does not."""
    runs = list(repository.workflow_runs.values())
    checks = {each for suite in repository.check_suites.values() for each in suite.runs}
    checks |= {job.check for run in runs for job in run.jobs}
    return {
        "check_runs": {_check(each) for each in checks},
        "workflow_runs": {
            (
                each.id,
                each.name,
                each.suite.head_sha,
                each.run_number,
                each.run_attempt,
                each.status,
                each.conclusion,
                micros(each.updated_at),
            )
            for each in runs
        },
        "workflow_jobs": {
            (
                each.id,
                run.id,
                each.run_attempt,
                each.name,
                each.progress.status,
                *_end(each.progress),
            )
            for run in runs
            for each in run.jobs
        },
        "resolved_threads": {
            (each.id, pull.number)
            for pull in repository.pulls.values()
            for each in pull.review_comments
            if each.resolved and not each.deleted
        },
    }


def _check(it: CheckRun) -> tuple[Any, ...]:
    """GitHub reports the end of a job's check, but not its start."""
    return (it.id, it.suite.head_sha, it.name, *_end(it.progress))


def _end(it: Progress) -> tuple[Any, ...]:
    return (it.conclusion, micros(it.completed_at))


async def builds_of_mirror(workspace: Mirror, repository: Repository) -> Content:
    async def rows(table: str) -> list[dict[str, Any]]:
        found = await workspace.mirror_content(table)
        return [row for row in found if row["repository_id"] == repository.id]

    end = ("conclusion", "completed_at")
    comments = {row["id"] for row in await rows("review_comments")}
    return {
        "check_runs": _columns(await rows("check_runs"), "id", "head_sha", "name", *end),
        "workflow_runs": _columns(
            await rows("workflow_runs"),
            "id",
            "name",
            "head_sha",
            "run_number",
            "run_attempt",
            "status",
            "conclusion",
            "updated_at",
        ),
        "workflow_jobs": _columns(
            await rows("workflow_jobs"), "id", "run_id", "run_attempt", "name", "status", *end
        ),
        "resolved_threads": {
            (row["comment_id"], row["number"])
            for row in await rows("review_threads")
            if row["resolved"] and row["comment_id"] in comments
        },
    }


def _columns(rows: Sequence[Row], *names: str) -> set[tuple[Any, ...]]:
    return {tuple(row[name] for name in names) for row in rows}


def boards_of_github(github: SimulatedGitHub) -> Content:
    projects = github.world.projects
    return {
        "projects": {
            (each.id, each.number, each.title, each.closed_at is not None) for each in projects
        },
        "items": {
            (each.id, project.id, _node(each.content), each.archived_at is not None, each.status)
            for project in projects
            for each in project.items.values()
        },
    }


def _node(it: Issue | Draft) -> str:
    if isinstance(it, Draft):
        return f"DI_{it.id}"
    return f"PR_{it.pull.id}" if it.pull else f"I_{it.id}"


async def boards_of_mirror(workspace: Mirror) -> Content:
    projects = await workspace.mirror_content("projects")
    nodes = {row["node_id"]: row["id"] for row in projects}
    values = {
        row["item_id"]: row["name"] or None
        for row in await workspace.mirror_content("project_values")
    }
    return {
        "projects": {
            (row["id"], row["number"], row["title"], bool(row["closed"])) for row in projects
        },
        # The items of a deleted board are deleted with it.
        "items": {
            (
                row["id"],
                nodes[row["project_node_id"]],
                row["content_node_id"],
                bool(row["archived"]),
                values.get(row["id"]),
            )
            for row in await workspace.mirror_content("project_items")
            if row["project_node_id"] in nodes
        },
    }


def relations_of_github(github: SimulatedGitHub) -> set[tuple[str, int, int]]:
    """(kind, source, target): a child and its parent, a blocked issue and its blocker."""
    issues = [
        each
        for repository in github.world.repositories.values()
        for each in repository.threads.values()
        if each.pull is None
    ]
    parents = {("parent", each.id, each.parent.id) for each in issues if each.parent}
    blocked = {("blocked_by", each.id, by.id) for each in issues for by in each.blocked_by}
    return parents | blocked


async def relations_of_mirror(workspace: Mirror) -> set[tuple[str, int, int]]:
    found = await workspace.rows(
        "SELECT kind, source_id, target_id FROM relations WHERE installation_id = :i"
    )
    return {(row["kind"], row["source_id"], row["target_id"]) for row in found}
