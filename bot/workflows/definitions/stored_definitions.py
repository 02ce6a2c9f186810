"""Keeps the definitions of a repository's workflows. An invalid file leaves the last valid one."""

from collections.abc import Sequence

import structlog

from bot.comments import replies
from bot.identity.actors import BOT
from bot.kernel.yaml_file import Unreadable
from bot.repository import workflow_paths
from bot.times import SECOND
from bot.workflows.definitions import file_checks, schedules
from store.audit import records
from store.engine.transaction import Tx
from store.mirror.code_objects import Here
from store.outbox import writes
from store.tables.workflows import WorkflowDefinitionRow
from store.workflows import definitions

log = structlog.get_logger()

# The problems of files that were pushed together are reported together.
TOGETHER = 10 * SECOND


async def put(
    tx: Tx, here: Here, name: str, sha: str, content: bytes, *, read_at: int, committer: str
) -> None:
    """Keep the definition in the file, or report what is wrong with it."""
    row = await _row(tx, here, name, read_at)
    try:
        found = await file_checks.read(tx, here, sha, content)
    except Unreadable as exc:
        await put_problems(tx, here, name, sha, exc.problems, read_at=read_at, committer=committer)
        return
    changed: WorkflowDefinitionRow = {
        **row,
        "definition": found.model_dump(mode="json", exclude_defaults=True),
        "sha": sha,
        "problem": None,
        "problem_sha": None,
        "read_at": read_at,
    }
    await definitions.put(tx, changed)
    await schedules.keep(tx, here, name, found)
    if sha != row["sha"]:
        await _record(tx, here, "workflow_file.changed", name, committer, {"file": sha})
    if row["problem"] is not None:
        await _report(tx, here, committer, is_new=False)


async def put_problems(
    tx: Tx,
    here: Here,
    name: str,
    sha: str,
    problems: Sequence[str],
    *,
    read_at: int,
    committer: str,
) -> None:
    """Keep what is wrong with the newest file, and report it once for each content."""
    row = await _row(tx, here, name, read_at)
    changed: WorkflowDefinitionRow = {
        **row,
        "problem": "\n".join(problems),
        "problem_sha": sha,
        "read_at": read_at,
    }
    await definitions.put(tx, changed)
    if row["problem_sha"] != sha:
        log.warning("invalid workflow file ignored", repository=here[1], name=name)
        await _report(tx, here, committer, is_new=True)


async def remove(tx: Tx, here: Here, name: str) -> None:
    """The file is gone. Workflows that were started from it go on."""
    row = await definitions.get(tx, *here, name)
    if row is None:
        return
    await definitions.remove(tx, *here, name)
    await schedules.keep(tx, here, name, None)
    await _record(tx, here, "workflow_file.removed", name, "", {})
    if row["problem"] is not None:
        await _report(tx, here, "", is_new=False)


async def _row(tx: Tx, here: Here, name: str, read_at: int) -> WorkflowDefinitionRow:
    return await definitions.get(tx, *here, name) or {
        "installation_id": here[0],
        "repository_id": here[1],
        "name": name,
        "sha": None,
        "definition": None,
        "problem": None,
        "problem_sha": None,
        "read_at": read_at,
    }


async def _record(
    tx: Tx, here: Here, action: str, name: str, committer: str, data: dict[str, str]
) -> None:
    actor = f"@{committer}" if committer else None
    where = {"name": name, **data}
    await records.append(tx, here[0], actor, action, str(here[1]), data=where)


async def _report(tx: Tx, here: Here, committer: str, *, is_new: bool) -> None:
    """Tell the committer in an issue what is wrong with all files, unless they know it already.

    Without `is_new`, only an issue that is not sent yet is written again or dropped.
    """
    target = f"workflow files {here[1]}"
    dropped = await writes.supersede(tx, here[0], "issue", target)
    if dropped is None and not is_new:
        return
    rows = await definitions.of_repository(tx, *here)
    found = {
        workflow_paths.path_of(row["name"]): row["problem"].splitlines()
        for row in rows
        if row["problem"]
    }
    if found:
        await writes.queue(
            tx,
            here[0],
            kind="issue",
            repository_id=here[1],
            target=target,
            arguments={
                "title": replies.WORKFLOWS_ISSUE,
                "body": replies.workflow_problems(committer, found),
                "labels": [],
            },
            author=BOT,
            wait=TOGETHER,
        )
