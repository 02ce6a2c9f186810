"""The hand-off: what the next holder of a task should know about the work of the last one."""

from typing import Any

from pydantic import BaseModel, Field

from bot.tasks import lookup
from bot.times import stamp
from store.engine.transaction import Tx
from store.messages import messages
from store.mirror import pulls
from store.outbox import write_history
from store.tables.tasks import LeaseRow
from store.tasks import leases
from store.tasks.tasks import FullTask

MOST_FILES = 50
MOST_COMMITS = 50
MOST_MESSAGES = 10


class Said(BaseModel):
    sender: str
    to: str
    body: str
    sent_at: str
    shortened: bool = Field(False, exclude_if=lambda shortened: not shortened)


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
    messages: list[Said] = Field([], description="messages about the task, oldest first")
    checkpoint: Any = Field(None, description="the state that the last holder stored")


async def of(tx: Tx, task: FullTask) -> HandOff | None:
    """None if nobody held the task before."""
    i = task["installation_id"]
    last = await leases.previous(tx, i, task["id"])
    if last is None:
        return None
    return HandOff(
        holder=last["holder"],
        ended=last["state"],
        why=last["ended_why"],
        ended_at=stamp(last["ended_at"] or last["renewed_at"]),
        note=task["note"],
        progress=task["progress"],
        branch=task["branch"] or await _branch(tx, task),
        pull_request=task["pull_number"],
        files=await _files(tx, task, last),
        messages=[
            Said(
                sender=row["sender"],
                to=row["recipient"],
                body=row["body"],
                sent_at=stamp(row["sent_at"]),
            )
            for row in await messages.of_task(tx, i, task["id"], MOST_MESSAGES)
        ],
    )


async def _branch(tx: Tx, task: FullTask) -> str | None:
    pull = await lookup.pull_request(tx, task)
    return pull["head_ref"] if pull else None


async def _files(tx: Tx, task: FullTask, last: LeaseRow) -> list[str]:
    """What was changed, on the pull request and by commits; without both, what was announced."""
    i, found = task["installation_id"], dict[str, None]()
    if task["pull_number"] is not None:
        touched = await pulls.files(tx, i, task["repository_id"], task["pull_number"])
        found |= dict.fromkeys(each["path"] for each in touched["files"]) if touched else {}
    found |= dict.fromkeys(await write_history.paths_of_commits(tx, i, task["id"], MOST_COMMITS))
    return list(found or dict.fromkeys(leases.paths_of(last)))[:MOST_FILES]
