"""The files for Hubbub that a pull request changes, and what is wrong with them.

They are workflow files, and the settings of the repository.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.pulls import makers, workflow_tools
from bot.repository import workflow_paths
from bot.repository.settings_file import PATH
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
    """`problems`: one text each, most with a line. None: it is not read yet.

    `tool_problems`: why tools that it names could not be called now.
    """

    path: str
    problems: tuple[str, ...] | None = ()
    tool_problems: tuple[str, ...] = ()


def files_in(files: Sequence[ChangedFile]) -> list[ChangedFile]:
    """Those that the pull request leaves in the folder, the first ones."""
    found = [each for each in files if each["status"] != "removed" and _is_checked(each["path"])]
    return found[:MOST_FILES]


def _is_checked(path: str) -> bool:
    return path == PATH or workflow_paths.is_workflow_file(path)


def _has_usable_name(path: str) -> bool:
    return path == PATH or workflow_paths.name_of(path) is not None


def problems_id(path: str, sha: str) -> str:
    """Under which the problems of a file are kept: the same content may be both kinds of file."""
    return f"settings {sha}" if path == PATH else sha


async def of(tx: Tx, pull: PullRequestRow) -> tuple[WorkflowFile, ...]:
    """Nothing as long as it is not known what the pull request changes."""
    here = (pull["installation_id"], pull["repository_id"])
    known = await pulls.files(tx, *here, pull["number"])
    if known is None or known["head_sha"] != pull["head_sha"]:
        return ()
    files = files_in(known["files"])
    ids = [problems_id(each["path"], each.get("blob", "")) for each in files]
    found = await _problems_by_id(tx, here, ids) if files else {}
    tools = await workflow_tools.problems(tx, here, ids) if makers.may_write(pull) else {}
    return tuple(
        WorkflowFile(
            each["path"],
            found.get(id_) if _has_usable_name(each["path"]) else (workflow_paths.WRONG_NAME,),
            tools.get(id_, ()),
        )
        for each, id_ in zip(files, ids, strict=True)
    )


async def _problems_by_id(tx: Tx, here: Here, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found = await code_objects.get_all(tx, here, "problems", ids)
    return {id_: tuple(json.loads(content)) for id_, content in found.items()}


async def unread(tx: Tx, here: Here, files: Sequence[ChangedFile]) -> list[tuple[str, str]]:
    """Path and blob of each such file in the list that was not read yet, each content once."""
    wanted = {
        problems_id(each["path"], each["blob"]): (each["path"], each["blob"])
        for each in files_in(files)
        if "blob" in each and _has_usable_name(each["path"])
    }
    known = await code_objects.existing(tx, here, "problems", [*wanted]) if wanted else set()
    return [each for id_, each in wanted.items() if id_ not in known]


async def put_problems(tx: Tx, here: Here, id_: str, problems: Sequence[str]) -> None:
    await code_objects.put(tx, here, "problems", id_, json.dumps(problems).encode())


def line_of(problem: str) -> tuple[int, str]:
    """The line that a problem names, or else the first, and the rest of it."""
    found = LINE.fullmatch(problem)
    return (max(1, int(found[1])), found[2]) if found else (1, problem)
