"""The workflow files that a pull request changes, and what is wrong with them."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.repository import workflow_paths
from store.engine.transaction import Tx
from store.mirror import code_objects, pulls
from store.mirror.code_objects import Here
from store.mirror.pulls import ChangedFile
from store.tables.mirror import PullRequestRow

# Files of one pull request that are read.
MOST_FILES = 50
LINE = re.compile(r"line ([0-9]{1,9}): (.*)", re.DOTALL)


@dataclass(frozen=True)
class WorkflowFile:
    """`problems`: one text each, most with a line. None: it is not read yet."""

    path: str
    problems: tuple[str, ...] | None = ()


def files_in(files: Sequence[ChangedFile]) -> list[ChangedFile]:
    """Those that the pull request leaves in the folder, the first ones."""
    found = [
        each
        for each in files
        if each["status"] != "removed" and workflow_paths.is_workflow_file(each["path"])
    ]
    return found[:MOST_FILES]


async def of(tx: Tx, pull: PullRequestRow) -> tuple[WorkflowFile, ...]:
    """Nothing as long as it is not known what the pull request changes."""
    here = (pull["installation_id"], pull["repository_id"])
    known = await pulls.files(tx, *here, pull["number"])
    if known is None or known["head_sha"] != pull["head_sha"]:
        return ()
    files = files_in(known["files"])
    found = (
        await _problems_by_blob(tx, here, [each.get("blob", "") for each in files]) if files else {}
    )
    return tuple(
        WorkflowFile(
            each["path"],
            found.get(each.get("blob", ""))
            if workflow_paths.name_of(each["path"])
            else (workflow_paths.WRONG_NAME,),
        )
        for each in files
    )


async def _problems_by_blob(tx: Tx, here: Here, shas: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found = await code_objects.get_all(tx, here, "problems", shas)
    return {sha: tuple(json.loads(content)) for sha, content in found.items()}


async def missing_blobs(tx: Tx, here: Here, files: Sequence[ChangedFile]) -> list[str]:
    """The blobs of the workflow files in the list that were not read yet."""
    shas = [
        each["blob"]
        for each in files_in(files)
        if "blob" in each and workflow_paths.name_of(each["path"])
    ]
    known = await code_objects.existing(tx, here, "problems", shas) if shas else set()
    return [each for each in dict.fromkeys(shas) if each not in known]


async def put_problems(tx: Tx, here: Here, sha: str, problems: Sequence[str]) -> None:
    await code_objects.put(tx, here, "problems", sha, json.dumps(problems).encode())


def line_of(problem: str) -> tuple[int, str]:
    """The line that a problem names, or else the first, and the rest of it."""
    found = LINE.fullmatch(problem)
    return (max(1, int(found[1])), found[2]) if found else (1, problem)
