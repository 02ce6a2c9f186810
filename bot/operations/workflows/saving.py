"""Saving a workflow file: a branch, a commit and a pull request, which people merge."""

from typing import Annotated

from pydantic import Field

from bot.errors import Refused
from bot.github import git_objects
from bot.kernel.operation import Context, RepositoryName, operation
from bot.mirror import code
from bot.operations.arguments import Body, Sha, Title
from bot.operations.github.targets import on_branch
from bot.operations.github.writing import Writes, queue
from bot.operations.tasks.access import visible_repository
from bot.operations.workflows.drafts import DraftText, FileName, path_of
from bot.workflows.editing import draft
from store.mirror import branches
from store.outbox import writes
from store.tables.mirror import RepositoryRow
from store.workflows import definitions

# Branches of one file whose pull requests wait.
MOST_BRANCHES = 20
# Problems that the refusal names.
MOST_NAMED = 3


class SavedWorkflow(Writes):
    path: str
    branch: str


@operation(reaches_github=True)
async def save_workflow(
    ctx: Context,
    repository: RepositoryName,
    name: FileName,
    text: DraftText,
    base: Annotated[Sha, Field(description="SHA of the file you edited; none: it is new")]
    | None = None,
    commit: Annotated[Sha, Field(description="the commit you read it from")] | None = None,
    title: Annotated[Title, Field(description="of the pull request")] | None = None,
    body: Body = "",
) -> SavedWorkflow:
    """Propose a workflow file as a pull request."""
    where = await visible_repository(ctx, repository)
    path = path_of(name)
    there = await _file(ctx, where, path)
    content = _with_line_breaks(text, there)
    _check_valid(content, path)
    old = git_objects.blob_sha(there) if there is not None else await _sha_read(ctx, where, name)
    _check_unchanged(path, old, base, content)
    branch = await _free_branch(ctx, where, name)
    target = on_branch(where, branch)
    title = title or f"{'Change' if base else 'Add'} the workflow {name}"
    start = {"sha": commit} if commit else {}
    opening = {"branch": branch, "base": where["default_branch"]} | start
    opened = await queue(ctx, "branch", where, target, opening)
    file = {"path": path, "content": content, "base64": False}
    change = {"branch": branch, "message": title, "files": [file], "delete": []}
    committed = await queue(ctx, "commit", where, target, change | {"after": opened.write_id})
    pull = {"head": branch, "base": where["default_branch"], "title": title, "body": body}
    proposed = await queue(ctx, "pull", where, target, pull | {"draft": False})
    return SavedWorkflow(writes=[opened, committed, proposed], path=path, branch=branch)


def _with_line_breaks(text: str, old: bytes | None) -> str:
    """A file ends with a line break. Browsers lose those of Windows, which a file had before."""
    text = text if text.endswith("\n") else f"{text}\n"
    if old is None or b"\r\n" not in old:
        return text
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


def _check_valid(text: str, path: str) -> None:
    if problems := draft.problems_of(text):
        shown = "; ".join(problems[:MOST_NAMED])
        more = f"; and {len(problems) - MOST_NAMED} more" if len(problems) > MOST_NAMED else ""
        raise Refused(
            "invalid_arguments", f"{path} has problems, so it was not saved: {shown}{more}."
        )


async def _file(ctx: Context, where: RepositoryRow, path: str) -> bytes | None:
    """The file on the default branch. None if there is none, or if it was not read yet."""
    here = (ctx.installation_id, where["id"])
    head = await branches.get(ctx.tx, *here, where["default_branch"])
    return await code.file_at(ctx.tx, here, head["sha"], path) if head else None


async def _sha_read(ctx: Context, where: RepositoryRow, name: str) -> str | None:
    """The SHA of the file when it was read for the last time."""
    row = await definitions.get(ctx.tx, ctx.installation_id, where["id"], name)
    return row and (row["problem_sha"] or row["sha"])


def _check_unchanged(path: str, old: str | None, base: str | None, content: str) -> None:
    """Raise Refused if somebody else changed the file, or if nothing is changed at all."""
    if old is not None and old == git_objects.blob_sha(content.encode()):
        raise Refused("invalid_arguments", f"Nothing to save: {path} already has this text.")
    if old == base:
        return
    happened = "exists already" if base is None else "was deleted" if old is None else "was changed"
    raise Refused(
        "file_changed",
        f"{path} {happened} on the default branch since you opened it, so nothing was saved. Copy "
        "your text, open the file again, and edit it there.",
        sha=old,
    )


async def _free_branch(ctx: Context, where: RepositoryRow, name: str) -> str:
    """A branch that does not exist and that no write creates."""
    for n in range(1, MOST_BRANCHES + 1):
        branch = f"hubbub/workflow-{name}" + (f"-{n}" if n > 1 else "")
        known = await branches.get(ctx.tx, ctx.installation_id, where["id"], branch)
        target = on_branch(where, branch)
        if not known and not await writes.waiting(ctx.tx, ctx.installation_id, target, "branch"):
            return branch
    raise Refused(
        "too_many",
        f"{MOST_BRANCHES} branches of {where['full_name']} already change this workflow. Merge or "
        "delete some of them.",
        most=MOST_BRANCHES,
    )
