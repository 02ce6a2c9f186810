"""What the simulated GitHub holds, and what the mirror holds, in the same words."""

import json
from typing import Any

from town import Town

from fixtures.github import Issue, Repository, SimulatedGitHub

Said = dict[str, set[tuple[Any, ...]]]


def names(values: Any) -> str:
    return json.dumps(sorted(values), ensure_ascii=False)


def of_github(repository: Repository) -> Said:
    """The state of the simulated GitHub itself: nothing of ours has touched it."""
    threads = list(repository.threads.values())
    issues = [each for each in threads if each.pull is None]
    pulls = [each.pull for each in threads if each.pull is not None]
    return {
        "issues": {_issue(each) for each in issues},
        "pull_requests": {
            (
                each.number,
                each.title,
                each.body or "",
                each.state,
                each.draft,
                each.merged,
                each.head,
                each.head_sha,
            )
            for each in pulls
        },
        "comments": {
            (each.id, thread.number, each.user.login, each.body)
            for thread in threads
            for each in thread.comments
            if not each.deleted
        },
        "reviews": {
            (each.id, pull.number, each.user.login, each.state.lower(), each.body)
            for pull in pulls
            for each in pull.reviews
        },
        "review_comments": {
            (each.id, pull.number, each.user.login, each.path, each.body)
            for pull in pulls
            for each in pull.review_comments
            if not each.deleted
        },
        "labels": {(each.id, each.name, each.color) for each in repository.labels.values()},
        "milestones": {
            (each.id, each.title, each.state) for each in repository.milestones.values()
        },
        "branches": set(repository.branches.items()),
    }


def _issue(it: Issue) -> tuple[Any, ...]:
    return (
        it.id,
        it.number,
        it.title,
        it.body or "",
        it.state,
        it.state_reason,
        names(each.name for each in it.labels),
        names(each.login for each in it.assignees),
        it.milestone.number if it.milestone else None,
    )


async def of_mirror(town: Town, repository: Repository) -> Said:
    async def rows(table: str) -> list[dict[str, Any]]:
        found = await town.mirrored(table)
        return [row for row in found if row["repository_id"] == repository.id]

    branches = await town.rows(
        "SELECT name, sha FROM refs WHERE installation_id = :i AND repository_id = :r",
        r=repository.id,
    )
    return {
        "issues": {
            (
                row["id"],
                row["number"],
                row["title"],
                row["body"],
                row["state"],
                row["state_reason"],
                row["labels"],
                row["assignees"],
                row["milestone"],
            )
            for row in await rows("issues")
            if not row["is_pull_request"]
        },
        "pull_requests": {
            (
                row["number"],
                row["title"],
                row["body"],
                row["state"],
                bool(row["draft"]),
                bool(row["merged"]),
                row["head_ref"],
                row["head_sha"],
            )
            for row in await rows("pull_requests")
        },
        "comments": {
            (row["id"], row["number"], row["author"], row["body"]) for row in await rows("comments")
        },
        "reviews": {
            (row["id"], row["number"], row["author"], row["state"], row["body"])
            for row in await rows("reviews")
        },
        "review_comments": {
            (row["id"], row["number"], row["author"], row["path"], row["body"])
            for row in await rows("review_comments")
        },
        "labels": {(row["id"], row["name"], row["color"]) for row in await rows("labels")},
        "milestones": {(row["id"], row["title"], row["state"]) for row in await rows("milestones")},
        "branches": {(row["name"], row["sha"]) for row in branches},
    }


def relations_of_github(github: SimulatedGitHub) -> set[tuple[str, int, int]]:
    """(kind, source, target): a child and its parent, a blocked issue and its blocker."""
    issues = [
        each
        for repository in github._world.repositories.values()
        for each in repository.threads.values()
        if each.pull is None
    ]
    parents = {("parent", each.id, each.parent.id) for each in issues if each.parent}
    blocked = {("blocked_by", each.id, by.id) for each in issues for by in each.blocked_by}
    return parents | blocked


async def relations_of_mirror(town: Town) -> set[tuple[str, int, int]]:
    found = await town.rows(
        "SELECT kind, source_id, target_id FROM relations WHERE installation_id = :i"
    )
    return {(row["kind"], row["source_id"], row["target_id"]) for row in found}
