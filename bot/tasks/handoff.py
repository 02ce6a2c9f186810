"""The hand-off: what the next holder of a task should know about the work of the last one."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from bot import secret_formats
from bot.kernel.sentences import shorten
from bot.pulls import failed_checks, review_verdicts
from bot.pulls.review_verdicts import Verdict
from bot.tasks import lookup
from bot.times import stamp
from store.engine.transaction import Tx
from store.files.attachments import attached_to
from store.messages import messages
from store.mirror import pulls
from store.outbox import write_history
from store.tables.mirror import PullRequestRow
from store.tables.tasks import LeaseRow
from store.tasks import leases, review_texts
from store.tasks.tasks import FullTask

MOST_FILES = 50
MOST_COMMITS = 50
MOST_MESSAGES = 10
MOST_REVIEWERS = 10
MOST_CHECKS = 10
# Characters of a review.
LONGEST_REVIEW = 1_000


class Said(BaseModel):
    sender: str
    to: str
    body: str
    sent_at: str
    shortened: bool = Field(False, exclude_if=lambda shortened: not shortened)


class RequestedChanges(BaseModel):
    by: str
    head: str = Field(description="the commit that the reviewer looked at")
    body: str


class HandOff(BaseModel):
    """The last lease on the task, and what its holder left."""

    holder: str
    ended: str = Field(description="how the lease ended: released, expired, revoked or completed")
    why: str | None = None
    ended_at: str
    note: str | None = None
    progress: int = 0
    branch: str | None = None
    pull_request: int | None = None
    files: list[str] = Field(
        [], description="files that its pull request changes, or paths that the holder named"
    )
    attachments: list[str] = Field(
        [],
        description="names of files that are attached to the task",
        exclude_if=lambda attachments: not attachments,
    )
    changes_requested_by: list[str] = Field(
        [], description="whose requested changes stand", exclude_if=lambda names: not names
    )
    requested_changes: list[RequestedChanges] = Field(
        [], description="what those asked for", exclude_if=lambda asked: not asked
    )
    checks_failed: list[str] = Field(
        [],
        description="on the head of its pull request, with the step and the log",
        exclude_if=lambda failed: not failed,
    )
    unresolved_threads: int = Field(
        0, description="of its pull request", exclude_if=lambda threads: not threads
    )
    messages: list[Said] = Field([], description="messages about the task, oldest first")
    checkpoint: Any = Field(None, description="the state that the last holder stored")


async def of(tx: Tx, task: FullTask) -> HandOff | None:
    """None if nobody held the task before."""
    if task["lease_id"] and task["fence"] == 1:
        return None
    i = task["installation_id"]
    last = await leases.previous(tx, i, task["id"])
    if last is None:
        return None
    pull = await lookup.pull_request(tx, task)
    return HandOff(
        holder=last["holder"],
        ended=last["state"],
        why=last["ended_why"],
        ended_at=stamp(last["ended_at"] or last["renewed_at"]),
        note=task["note"],
        progress=task["progress"],
        branch=task["branch"] or (pull["head_ref"] if pull else None),
        pull_request=task["pull_number"],
        files=await _files(tx, task, pull, last),
        attachments=[each["name"] for each in await attached_to(tx, i, "task", [task["id"]])],
        messages=await _messages(tx, task),
        **await _open_review(tx, pull),
    )


async def _messages(tx: Tx, task: FullTask) -> list[Said]:
    here = (tx, task["installation_id"], task["id"])
    return [
        Said(
            sender=row["sender"],
            to=row["recipient"],
            # Messages of earlier releases may have secrets.
            body=secret_formats.mask(row["body"])[0],
            sent_at=stamp(row["sent_at"]),
        )
        for row in await messages.for_next_holder(*here, MOST_MESSAGES)
    ]


async def _open_review(tx: Tx, pull: PullRequestRow | None) -> dict[str, Any]:
    """What reviewers of the open pull request still wait for."""
    if pull is None or pull["state"] != "open":
        return {}
    here = (tx, pull["installation_id"], pull["repository_id"], pull["number"])
    given = review_verdicts.with_state(await review_verdicts.of_pull(tx, pull), "changes_requested")
    failed = await failed_checks.of_commit(*here[:3], pull["head_sha"])
    return {
        "changes_requested_by": [each.by for each in given][:MOST_REVIEWERS],
        "requested_changes": await _requested_changes(tx, pull, given[:MOST_REVIEWERS]),
        "checks_failed": [each.summary for each in failed[:MOST_CHECKS]],
        "unresolved_threads": await pulls.unresolved_threads(*here),
    }


async def _requested_changes(
    tx: Tx, pull: PullRequestRow, given: Sequence[Verdict]
) -> list[RequestedChanges]:
    """The texts of the reviews. Those of agents are known before GitHub has them."""
    here = (tx, pull["installation_id"], pull["repository_id"], pull["number"])
    texts = await review_texts.of_people(*here) | await review_texts.of_agents(*here)
    return [
        RequestedChanges(
            by=each.by,
            head=each.head,
            body=shorten(secret_formats.mask(texts[each.by.casefold()])[0], LONGEST_REVIEW),
        )
        for each in given
        if texts.get(each.by.casefold())
    ]


async def _files(tx: Tx, task: FullTask, pull: PullRequestRow | None, last: LeaseRow) -> list[str]:
    """What was changed, on the pull request and by commits; without both, what was announced."""
    i, of_pull, is_current = task["installation_id"], list[str](), False
    if task["pull_number"] is not None:
        touched = await pulls.files(tx, i, task["repository_id"], task["pull_number"])
        if touched:
            of_pull = [each["path"] for each in touched["files"]]
            is_current = pull is not None and pull["head_sha"] == touched["head_sha"]
    commits = await write_history.paths_of_commits(tx, i, task["id"], MOST_COMMITS)
    found = changed_files(of_pull, commits, is_current=is_current)
    return (found or leases.paths_of(last))[:MOST_FILES]


def changed_files(
    of_pull: Sequence[str], commits: Mapping[str, bool], *, is_current: bool
) -> list[str]:
    """The changed files, without those that a later commit deleted.

    `is_current`: the pull request's files are those of its head, so all of them count.
    """
    changed = dict.fromkeys([*of_pull, *commits])
    kept = set(of_pull) if is_current else set()
    return [path for path in changed if path in kept or commits.get(path, True)]
