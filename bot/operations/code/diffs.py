"""What a pull request, a branch or a commit changes."""

import hashlib
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field

from bot.errors import Refused
from bot.github.patches import hunks, numbered_lines
from bot.kernel.operation import Context, RepositoryName, TaskRef, operation
from bot.kernel.pagination import Cursor, decode, encode, wrong_cursor
from bot.mirror import code, reads
from bot.mirror.code import Diff, FileDiff
from bot.operations.code import places
from bot.operations.code.entries import CodePath
from bot.operations.code.line_cuts import cut_lines, room_for
from bot.operations.code.lookup import CodeAnswer, Lookup, WhenRead
from bot.operations.code.places import Ref, Target
from bot.operations.token_sizes import Tokens, size
from store.tables.mirror import PullRequestRow

# What one file of an answer takes beside its path and hunks, in bytes.
FRAME = 80
NAMED = 20


class FileChange(BaseModel):
    path: str
    previous: str | None = Field(None, description="the path before a rename")
    status: str
    additions: int
    deletions: int
    hunks: str | None = Field(
        None,
        description="lines as `old|new text`, with the numbers that github_review_pr takes: the "
        "new one on the side RIGHT, or the old one of a removed line on LEFT",
    )
    note: str | None = Field(None, description="why there are no hunks")


class DiffAnswer(CodeAnswer):
    base: str | None = Field(None, description="the SHA that the changes are compared with")
    head: str | None = Field(None, description="the SHA that has the changes")
    trusted: bool = Field(
        True, description="false: not known to come from somebody who may write here"
    )
    files: list[FileChange] = Field([], description="the changed files, by path")
    note: str | None = Field(None, description="what is missing, or where changes are")
    next_cursor: str | None = None


@dataclass(frozen=True)
class Compared:
    """A diff's key, and the read that fetches it. `base` is None for a pull request's own."""

    key: str
    read: reads.Read
    base: str | None
    head: str
    trusted: bool


@operation(reads_only=True, reaches_github=True, waitable=WhenRead())
async def github_get_diff(
    ctx: Context,
    task: TaskRef | None = None,
    repository: RepositoryName | None = None,
    base: Annotated[Ref | None, Field(description="else what it merges into")] = None,
    head: Annotated[Ref | None, Field(description="else the task's")] = None,
    paths: Annotated[list[CodePath], Field(max_length=50, description="only these")] = [],  # noqa: B006
    max_tokens: Tokens = 6000,
    cursor: Cursor = None,
) -> DiffAnswer:
    """Show what a task's branch, a pull request or `head` changes since it left `base`.

    Each line is `old|new text` with its line numbers.
    """
    wanted = await places.target(ctx, task, repository)
    look = Lookup(ctx, wanted.where)
    compared = await _comparison(look, wanted, base, head)
    if compared is not None:
        await places.check_shown(look, trusted=compared.trusted)
    found = compared and await look.diff(compared.key, compared.read)
    answer = DiffAnswer(repository=wanted.where["full_name"], pending=await look.pending())
    if compared is None or not found:
        return answer
    files = [each for each in found["files"] if not paths or _is_in(each, paths)]
    start = _position(cursor, compared.key)
    shown, end = _fill(files, start, room_for(max_tokens))
    update = {
        "base": compared.base or found["merge_base"],
        "head": compared.head,
        "trusted": compared.trusted,
        "files": shown,
        "note": _note(found, files, paths),
        "next_cursor": end and encode(f"{_digest(compared.key)} {end[0]} {end[1]}"),
    }
    return answer.model_copy(update=update)


async def _comparison(
    look: Lookup, wanted: Target, base: str | None, head: str | None
) -> Compared | None:
    """What to compare. None if a name must be read first. Raise Refused."""
    if wanted.pull is not None and base is None and head is None:
        return await _pull_diff(look, wanted, wanted.pull)
    default = look.where["default_branch"]
    if head is None and wanted.pull is None and wanted.branch == default:
        raise Refused(
            "invalid_arguments",
            f"Pass `head`: a branch, tag or commit to compare with {default}. A task needs no "
            "`head` once it has a branch or a pull request.",
        )
    before = base or (wanted.pull["base_ref"] if wanted.pull else default)
    one = await places.commit(look, Target(look.where, before), before)
    other = await places.commit(look, wanted, head)
    if one is None or other is None:
        return None
    return Compared(
        code.comparison_key(one.sha, other.sha),
        reads.comparison(look.where["id"], one.sha, other.sha),
        one.sha,
        other.sha,
        other.trusted,
    )


async def _pull_diff(look: Lookup, wanted: Target, pull: PullRequestRow) -> Compared:
    """The list of a pull request's files, which GitHub also keeps after the merge."""
    return Compared(
        code.pull_key(pull["number"], pull["base_ref"], pull["head_sha"]),
        reads.thread("pull_files", look.where["id"], pull["number"]),
        None,
        pull["head_sha"],
        await places.is_trusted(look, wanted, pull["head_sha"]),
    )


def _is_in(change: FileDiff, paths: list[str]) -> bool:
    names = [each for each in (change["path"], change["previous"]) if each]
    return any(
        not path or name == path or name.startswith(f"{path}/") for name in names for path in paths
    )


def _note(diff: Diff, shown: list[FileDiff], paths: list[str]) -> str | None:
    if not diff["files"]:
        return "There is no difference."
    if not shown:
        names = [each["path"] for each in diff["files"]]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        return f"No change in {', '.join(paths)}. Changed: {', '.join(names[:NAMED])}{more}."
    if not diff["whole"]:
        return f"GitHub lists only the first {len(diff['files'])} files. Compare smaller steps."
    return None


# --- Pages ---------------------------------------------------------------------------------------


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def _position(cursor: str | None, key: str) -> tuple[int, int]:
    """The file, and the line in its hunks, to begin with. Raise Refused."""
    if not cursor:
        return 0, 1
    of, *place = decode(cursor).split(" ")
    if len(place) != 2 or not all(each.isascii() and each.isdecimal() for each in place):
        raise wrong_cursor()
    if of != _digest(key):
        raise Refused(
            "invalid_arguments",
            "There is a new commit since the page before. Call again without `cursor`.",
        )
    return int(place[0][:9]), int(place[1][:9])


def _fill(
    files: list[FileDiff], start: tuple[int, int], room: int
) -> tuple[list[FileChange], tuple[int, int] | None]:
    """As much as fits, and where to go on. One file, or a part of one, is shown at least."""
    first, line = start
    shown: list[FileChange] = []
    for n, each in enumerate(files[first:], first):
        room -= FRAME + size(each["path"])
        if room <= 0 and shown:
            return shown, (n, line)
        change, next_line = _change(each, line, room)
        shown.append(change)
        if next_line is not None:
            return shown, (n, next_line)
        room -= size(change.hunks or "")
        line = 1
    return shown, None


def _change(file: FileDiff, line: int, room: int) -> tuple[FileChange, int | None]:
    text = "\n".join(each for hunk in hunks(file["patch"] or "") for each in numbered_lines(hunk))
    cut = cut_lines(text, line, max(room, 0))
    change = FileChange(
        path=file["path"],
        previous=file["previous"],
        status=file["status"],
        additions=file["additions"],
        deletions=file["deletions"],
        hunks=cut.text or None,
        note=cut.note if cut.text else _why_no_patch(file),
    )
    return change, cut.next_line


def _why_no_patch(file: FileDiff) -> str:
    if file["additions"] + file["deletions"]:
        return "Its change is too large to show. Read the file."
    if file["previous"]:
        return "It moved without a change."
    return "No line changed, or it is binary."
