"""Reads that the mirror needs: what only an answer of GitHub can settle.

A constructor here makes the value; `queue` stores it. `bot.fetch.kinds` has the requests.
"""

from dataclasses import dataclass
from typing import Any

from store.engine.transaction import Row, Tx
from store.fetch import pending_reads
from store.tables.builds import WorkflowJobRow, WorkflowRunRow

# Priorities: somebody waits for the answer, the mirror may be wrong, a backfill goes on.
NOW, SOON, LATER = 0, 1, 2


@dataclass(frozen=True)
class Read:
    """One thing to look up on GitHub. Reads of one kind and subject are one read."""

    kind: str
    subject: str
    arguments: dict[str, Any]
    priority: int = SOON


ALL_REPOSITORIES = Read("installation_repositories", "", {})
ALL_PROJECTS = Read("projects", "", {})


async def queue(tx: Tx, installation_id: int, read: Read) -> None:
    await pending_reads.ask(
        tx, installation_id, read.kind, read.subject, read.arguments, priority=read.priority
    )


def installation(installation_id: int, priority: int = SOON) -> Read:
    return Read("installation", "", {"installation_id": installation_id}, priority)


def repository(kind: str, repository_id: int, priority: int = SOON) -> Read:
    """`kind`: repository, labels, milestones or settings."""
    return Read(kind, str(repository_id), {"repository_id": repository_id}, priority)


def thread(kind: str, repository_id: int, number: int, priority: int = SOON) -> Read:
    """An issue or a pull request, or what belongs to it, such as its reviews."""
    arguments = {"repository_id": repository_id, "which": number, "number": number}
    return Read(kind, f"{repository_id} {number}", arguments, priority)


def relations(
    kind: str, repository_id: int, number: int, issue_id: int | None, priority: int = SOON
) -> Read:
    """`issue_id` lets the answer be applied before the mirror has the issue."""
    arguments = {"repository_id": repository_id, "which": number, "number": number}
    subject = f"{repository_id} {number}"
    return Read(kind, subject, arguments | {"issue_id": issue_id}, priority)


def comment(repository_id: int, row: Row) -> Read:
    return _by_id("comment", {**row, "repository_id": repository_id}, row["id"])


def workflow_run(row: WorkflowRunRow) -> Read:
    return _by_id("workflow_run", row, row["id"])


def workflow_jobs(row: WorkflowJobRow) -> Read:
    """All jobs of the run that this job belongs to."""
    return _by_id("workflow_jobs", row, row["run_id"])


def _by_id(kind: str, row: Row, which: int) -> Read:
    repository_id = row["repository_id"]
    number = row.get("number", which)
    arguments = {"repository_id": repository_id, "which": which, "number": number}
    return Read(kind, f"{repository_id} {which}", arguments)


def checks(repository_id: int, sha: str, priority: int = SOON) -> Read:
    arguments = {"repository_id": repository_id, "sha": sha}
    return Read("check_runs", f"{repository_id} {sha}", arguments, priority)


def branch(repository_id: int, name: str) -> Read:
    return Read("ref", f"{repository_id} {name}", {"repository_id": repository_id, "name": name})


def board_item(item_id: int) -> Read:
    return Read("project_item", str(item_id), {"item_id": item_id})


def board_fields(number: int, project_id: int) -> Read:
    arguments = {"number": number, "project_id": project_id}
    return Read("project_fields", str(number), arguments)
