"""Committing files without a clone."""

import binascii
import re
import unicodedata
from base64 import b64decode
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bot.errors import Refused
from bot.identity import permissions
from bot.kernel.operation import Context, RepositoryName, TaskRef, operation
from bot.kernel.patterns import Shape
from bot.kernel.remedies import TO_A_LEAD
from bot.operations.arguments import NOT_BLANK, Branch, Fence, Sha
from bot.operations.github.targets import check_branch_fits, on_branch, work_place
from bot.operations.github.writing import Writes, queue, write
from bot.operations.tasks import ownership
from bot.repository import settings_file, workflow_paths
from store.mirror import branches
from store.outbox import writes
from store.tables.mirror import RepositoryRow
from store.tasks import tasks
from store.tasks.tasks import FullTask

# The largest commit, in bytes.
MOST_CONTENT = 2_000_000
# GitHub takes no branch with a name of this form.
SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


# What a file system may take for `.git`: Windows drops dots and spaces at the end and what follows
# a colon, and knows the short names git~1 and so on; macOS drops characters that show nothing.
GIT_FOLDER = re.compile(r"(?:\.git|git~[0-9]+)(?:[. ]*|:.*)", re.IGNORECASE)


def _check_path(path: str) -> str:
    if any(part in ("", ".", "..") or _is_git_folder(part) for part in path.split("/")):
        raise ValueError("must be a path in the repository, without empty, . or .. parts or .git")
    return path


def _is_git_folder(part: str) -> bool:
    shown = "".join(each for each in part if unicodedata.category(each) != "Cf")
    return GIT_FOLDER.fullmatch(shown) is not None


Path = Annotated[
    str,
    Field(min_length=1, max_length=1024),
    Shape(
        r"^[^\\\x00-\x1f\x7f]+$",
        "must be a path in the repository with /, without backslashes or control characters",
    ),
    AfterValidator(_check_path),
]


class File(BaseModel):
    """The whole new content of a file."""

    model_config = ConfigDict(extra="forbid")

    path: Path
    content: Annotated[str, Field(max_length=MOST_CONTENT)]
    base64: bool = Field(False, description="whether `content` is base64")


@operation(reaches_github=True, destructive=True)
async def github_commit_files(
    ctx: Context,
    branch: Annotated[Branch, Field(description="the branch to commit to")],
    message: Annotated[
        str, Field(min_length=1, max_length=10_000, description="the commit message"), NOT_BLANK
    ],
    files: Annotated[
        list[File], Field(max_length=200, description="files with their whole content")
    ] = [],  # noqa: B006 - pydantic copies it
    delete: Annotated[list[Path], Field(max_length=200, description="paths to delete")] = [],  # noqa: B006
    head: Annotated[Sha, Field(description="the commit you build on; else the newest")]
    | None = None,
    task: TaskRef | None = None,
    fence: Fence | None = None,
    repository: RepositoryName | None = None,
    base: Annotated[
        Branch, Field(description="branch or SHA where a new branch starts; else the default")
    ]
    | None = None,
) -> Writes:
    """Commit several files to a branch, created if missing.

    If the branch moved meanwhile nothing is committed, and the error has the new head.
    """
    row, where = await work_place(ctx, task, fence, repository)
    owned = await ownership.task_of_branch(ctx, where, branch)
    row = row or owned
    _check_files(files, delete)
    _check_settings(ctx, where, [each.path for each in files] + delete)
    if branch == where["default_branch"]:
        raise Refused(
            "forbidden",
            f"{branch} is the default branch. Commit to another branch and open a pull request.",
        )
    target = on_branch(where, branch)
    arguments = {
        "branch": branch,
        "message": message,
        "files": [each.model_dump() for each in files],
        "delete": delete,
        **await _parent_commit(ctx, where, branch, head, base, row),
    }
    if row:
        await tasks.change(ctx.tx, ctx.installation_id, row["id"], branch=branch)
    return await write(ctx, "commit", where, target, arguments, row)


async def _parent_commit(
    ctx: Context,
    where: RepositoryRow,
    branch: str,
    head: str | None,
    base: str | None,
    task: FullTask | None,
) -> dict[str, str]:
    """The parent of the commit. If the branch does not exist, queue the write that creates it."""
    here, target = (ctx.tx, ctx.installation_id), on_branch(where, branch)
    known = await branches.get(*here, where["id"], branch)
    if head is not None and known:
        return {"head": head}
    for kind in ("commit", "branch"):
        if before := await writes.waiting(*here, target, kind):
            return {"head": head} if head else {"after": before[-1]["id"]}
    if known:
        return {"head": known["sha"]}
    await check_branch_fits(ctx, where, branch)
    opening = {"branch": branch, "base": base or where["default_branch"]}
    # A commit that builds on a certain one begins a branch there.
    sha = head or (base if base and SHA.fullmatch(base) else None)
    if base and not sha:
        await _check_base_exists(ctx, where, base)
    start = {"sha": sha} if sha else {}
    opened = await queue(ctx, "branch", where, target, opening | start, task)
    return {"after": opened.write_id}


async def _check_base_exists(ctx: Context, where: RepositoryRow, base: str) -> None:
    """Raise Refused if the mirror knows the repository's branches, but not this one."""
    here = (ctx.tx, ctx.installation_id)
    if await branches.get(*here, where["id"], base):
        return
    for kind in ("commit", "branch"):
        if await writes.waiting(*here, on_branch(where, base), kind):
            return
    if await branches.get(*here, where["id"], where["default_branch"]) is None:
        return  # GitHub checks it when the branch is created
    raise Refused(
        "invalid_arguments",
        f"There is no branch `{base}`, as far as Hubbub knows. Pass another `base`, or a commit's "
        "SHA. If it was pushed a moment ago, call again in a few seconds.",
    )


def _check_files(files: list[File], delete: list[str]) -> None:
    paths = [each.path for each in files] + delete
    if not paths:
        raise Refused("invalid_arguments", "Pass `files` or `delete`.")
    if len(set(paths)) < len(paths):
        raise Refused("invalid_arguments", "A path occurs twice in `files` and `delete`.")
    if sum(len(each.content.encode()) for each in files) > MOST_CONTENT:
        raise Refused(
            "invalid_arguments", f"`files` are too large: one commit takes {MOST_CONTENT} bytes."
        )
    for each in files:
        if each.base64 and not _is_base64(each.content):
            raise Refused(
                "invalid_arguments",
                f"`content` of {each.path} is not base64, but `base64` is true.",
            )
    if any(each.casefold().startswith(".github/workflows/") for each in paths):
        raise Refused(
            "forbidden",
            "The App may not change .github/workflows. Push workflows with git.",
        )


def _check_settings(ctx: Context, where: RepositoryRow, paths: list[str]) -> None:
    """Raise Refused if the commit changes what agents may do, and the caller may not."""
    action = "github_commit_files.settings"
    found = [each for each in paths if _says_what_agents_do(each)]
    if found and not permissions.allows(ctx.actor, action, repository_id=where["id"]):
        raise Refused(
            "forbidden",
            f"{found[0]} says what agents do in {where['full_name']}. Only a person or "
            f"{TO_A_LEAD} changes it.",
            **permissions.missing(ctx.actor, action),
        )


def _says_what_agents_do(path: str) -> bool:
    return path == settings_file.PATH or path.startswith(f"{workflow_paths.FOLDER}/")


def _is_base64(content: str) -> bool:
    try:
        b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
