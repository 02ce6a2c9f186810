"""The tasks of a pull request, and the pull requests that a task may concern."""

from collections.abc import Collection
from typing import TypedDict

from store.engine import json_text
from store.engine.transaction import Tx
from store.tasks.tasks import ANY, FullTask, decode


async def of_pull_or_issues(
    tx: Tx, installation_id: int, repository_id: int, pull: int, issues: Collection[int]
) -> list[FullTask]:
    """The tasks whose own pull request it is, and those of these issues, by their numbers."""
    rows = await tx.all(
        f"{ANY} AND t.repository_id = :r AND t.pull_number = :n",
        i=installation_id,
        r=repository_id,
        n=pull,
    )
    if issues:
        rows += await tx.all(
            f"{ANY} AND t.repository_id = :r AND t.number IN :issues",
            i=installation_id,
            r=repository_id,
            issues=tuple(sorted(issues)),
        )
    found = {row["id"]: row for row in decode(rows)}
    return sorted(found.values(), key=lambda task: task["number"] or 0)


# SQL: whether the task `t` may have pull requests.
HAS_PULLS = (
    "(t.pull_number IS NOT NULL OR EXISTS (SELECT 1 FROM pull_links k "
    "WHERE k.installation_id = t.installation_id AND k.issue_number = t.number))"
)


class Concern(TypedDict):
    """Whether a task may have pull requests, and the paths that a lease named."""

    has_pulls: int
    paths: list[str]


async def concern_of(tx: Tx, task: FullTask, lease_id: str | None) -> Concern:
    """Which pull requests a step of the task may concern. `lease_id`: the lease that it ended."""
    row = await tx.one(
        f"SELECT {HAS_PULLS} AS has_pulls, (SELECT l.paths FROM leases l "
        "WHERE l.installation_id = t.installation_id AND l.id = :l) AS paths "
        "FROM tasks t WHERE t.installation_id = :i AND t.id = :t",
        i=task["installation_id"],
        t=task["id"],
        l=lease_id,
    )
    paths = row["paths"] if row else None
    return {
        "has_pulls": row["has_pulls"] if row else 0,
        "paths": json_text.value(paths) if paths else [],
    }
