"""Reads that the mirror needs: what only an answer of GitHub can settle.

A constructor here makes the value; `queue` stores it. `bot.fetch.kinds` has the requests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from bot.times import SECOND, stamp
from store.engine.transaction import Tx
from store.fetch import pending_reads
from store.mirror.mirror_rows import IdAndNumber
from store.tables.builds import WorkflowJobRow, WorkflowRunRow
from store.tables.fetch import PendingReadRow

# Priorities: somebody waits for the answer, the mirror may be wrong, a backfill goes on.
NOW, SOON, LATER = 0, 1, 2


class Arguments(TypedDict, total=False):
    """The arguments of a read. Each kind has some of them."""

    installation_id: int
    repository_id: int
    number: int
    # The id of a comment, a run or a job; otherwise the same as `number`.
    which: int
    issue_id: int | None
    sha: str
    # The name of a branch; for the read of a commit, any name of it; the file of an Actions
    # workflow; the name of a workflow file on the default branch.
    name: str
    # A time, as GitHub writes it.
    since: str
    # Two commits to compare.
    base: str
    head: str
    # A folder without what is in its folders.
    flat: bool
    login: str
    # The id of the person who asks under that login.
    person_id: int
    item_id: int
    project_id: int
    # The project's node id, its owner's login, and the ids of the fields to return.
    project: str
    org: str
    fields: str
    # The number of the last issue in the batch before.
    after: int
    # Who changed the settings file or a workflow file.
    committer: str
    # When GitHub first said that the thing is not there; which ids a list lacked, and since when.
    absent_at: int
    lacked: list[int]
    lacked_since: int


@dataclass(frozen=True)
class Read:
    """One thing to look up on GitHub. Reads of one kind and subject are one read."""

    kind: str
    subject: str
    arguments: Arguments
    priority: int = SOON


ALL_REPOSITORIES = Read("installation_repositories", "", {})
ALL_PROJECTS = Read("projects", "", {})


# Between two reads of one asker that are queued together, so that others get their turn.
ASKER_PACE = SECOND // 10
# An answer may miss what is wanted, for example if a pull request got a new head meanwhile.
AGAIN_AFTER = 5 * SECOND


async def queue_for(
    tx: Tx, installation_id: int, asker: str, wanted: Sequence[Read], since: int
) -> None:
    """Queue what somebody found missing at `since`, unless it is queued or answered by now."""
    n = await pending_reads.count_of(tx, installation_id, SOON, asker)
    for read in wanted:
        row = await pending_reads.get(tx, installation_id, read.kind, read.subject)
        answered_at = (row and row["answered_at"]) or 0
        if (row and _is_under_way(row)) or answered_at >= since:
            continue
        await pending_reads.ask(
            tx,
            installation_id,
            read.kind,
            read.subject,
            read.arguments,
            priority=SOON,
            not_before=max(await tx.now() + n * ASKER_PACE, answered_at + AGAIN_AFTER),
            asker=asker,
        )
        n += 1


def _is_under_way(row: PendingReadRow) -> bool:
    """Whether it is queued, and not only for a backfill."""
    return row["state"] == "queued" and row["priority"] <= SOON


async def queue(tx: Tx, installation_id: int, read: Read) -> None:
    await pending_reads.ask(
        tx, installation_id, read.kind, read.subject, read.arguments, priority=read.priority
    )


def installation(installation_id: int, priority: int = SOON) -> Read:
    return Read("installation", "", {"installation_id": installation_id}, priority)


def repository(kind: str, repository_id: int, priority: int = SOON) -> Read:
    """`kind`: repository, labels, milestones, refs, settings or workflow_files."""
    return Read(kind, str(repository_id), {"repository_id": repository_id}, priority)


def thread(kind: str, repository_id: int, number: int, priority: int = SOON) -> Read:
    """An issue or a pull request, or what belongs to it, such as its reviews."""
    return Read(
        kind, f"{repository_id} {number}", _thread_arguments(repository_id, number), priority
    )


def relations(
    kind: str, repository_id: int, number: int, issue_id: int | None, priority: int = SOON
) -> Read:
    """`issue_id` lets the answer be applied before the mirror has the issue."""
    arguments: Arguments = {**_thread_arguments(repository_id, number), "issue_id": issue_id}
    return Read(kind, f"{repository_id} {number}", arguments, priority)


def _thread_arguments(repository_id: int, number: int) -> Arguments:
    return {"repository_id": repository_id, "which": number, "number": number}


def comment(repository_id: int, row: IdAndNumber) -> Read:
    return _by_id("comment", repository_id, row["id"], row["number"])


def workflow_run(row: WorkflowRunRow) -> Read:
    return _by_id("workflow_run", row["repository_id"], row["id"], row["id"])


def workflow_run_by_id(repository_id: int, run_id: int) -> Read:
    return _by_id("workflow_run", repository_id, run_id, run_id)


def dispatched_runs(repository_id: int, workflow: str, since: int) -> Read:
    """The runs of a workflow that were dispatched since then."""
    arguments: Arguments = {"repository_id": repository_id, "name": workflow, "since": stamp(since)}
    return Read("dispatched_runs", f"{repository_id} {workflow}"[:255], arguments)


def workflow_jobs(row: WorkflowJobRow) -> Read:
    """All jobs of the run that this job belongs to."""
    return _by_id("workflow_jobs", row["repository_id"], row["run_id"], row["run_id"])


def _by_id(kind: str, repository_id: int, which: int, number: int) -> Read:
    arguments: Arguments = {"repository_id": repository_id, "which": which, "number": number}
    return Read(kind, f"{repository_id} {which}", arguments)


def checks(repository_id: int, sha: str, priority: int = SOON) -> Read:
    arguments: Arguments = {"repository_id": repository_id, "sha": sha}
    return Read("check_runs", f"{repository_id} {sha}", arguments, priority)


def branch(repository_id: int, name: str) -> Read:
    return Read("ref", f"{repository_id} {name}", {"repository_id": repository_id, "name": name})


def board_item(item_id: int) -> Read:
    return Read("project_item", str(item_id), {"item_id": item_id})


def board_fields(number: int, project_id: int) -> Read:
    arguments: Arguments = {"number": number, "project_id": project_id}
    return Read("project_fields", str(number), arguments)


def commit(repository_id: int, name: str) -> Read:
    """A commit by its SHA, a branch or a tag."""
    return Read("commit", f"{repository_id} {name}", {"repository_id": repository_id, "name": name})


def tree(repository_id: int, sha: str, *, of_commit: bool = False, flat: bool = False) -> Read:
    """A folder by its SHA, or the root by a commit's. `flat`: without what is in its folders."""
    arguments: Arguments = {"repository_id": repository_id, "sha": sha, "flat": flat}
    if of_commit:
        arguments["head"] = sha
    return Read("tree", f"{repository_id} {sha}", arguments)


def blob(repository_id: int, sha: str) -> Read:
    """A file's content."""
    return Read("blob", f"{repository_id} {sha}", {"repository_id": repository_id, "sha": sha})


# What the subjects of the reads of files on the default branch begin with.
WORKFLOW_FILES_OF = "{}/"


def workflow_file(repository_id: int, sha: str, *, name: str = "", committer: str = "") -> Read:
    """A workflow file's content. With `name`, the file is on the default branch."""
    arguments: Arguments = {"repository_id": repository_id, "sha": sha}
    if name:
        arguments |= {"name": name, "committer": committer}
        return Read("workflow_file", WORKFLOW_FILES_OF.format(repository_id) + name, arguments)
    return Read("workflow_file", f"{repository_id} {sha}", arguments)


def comparison(repository_id: int, base: str, head: str) -> Read:
    """What `head` changes since it left `base`. Both are SHAs."""
    arguments: Arguments = {"repository_id": repository_id, "base": base, "head": head}
    return Read("comparison", f"{repository_id} {base}...{head}", arguments)
