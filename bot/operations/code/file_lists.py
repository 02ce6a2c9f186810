"""Listing the files of a commit."""

from typing import Annotated

from pydantic import Field

from bot.errors import Refused
from bot.kernel.operation import Context, RepositoryName, TaskRef, operation
from bot.kernel.pagination import Cursor, decode, encode, wrong_cursor
from bot.operations.code import places
from bot.operations.code.entries import NOTHING, CodePath, CommitAnswer, Item, at_path, frame, line
from bot.operations.code.line_cuts import room_for
from bot.operations.code.lookup import Lookup, WhenRead
from bot.operations.code.places import Ref
from bot.operations.token_sizes import Tokens

# Folders that are loaded together.
AT_ONCE = 100


class FileList(CommitAnswer):
    trusted: bool = Field(
        True, description="false: not known to come from somebody with write access"
    )
    files: list[str] = Field(
        [], description="path and bytes of each file; `folder/` has more files, pass it as `path`"
    )
    next_cursor: str | None = None


@operation(reads_only=True, reaches_github=True, waitable=WhenRead())
async def github_list_files(
    ctx: Context,
    task: TaskRef | None = None,
    repository: RepositoryName | None = None,
    ref: Ref | None = None,
    path: Annotated[CodePath, Field(description="a folder")] = "",
    max_tokens: Tokens = 2000,
    cursor: Cursor = None,
) -> FileList:
    """List files of a repository, or of a task's or pull request's branch."""
    wanted = await places.target(ctx, task, repository)
    look = Lookup(ctx, wanted.where)
    pinned, start = _position(cursor)
    at = await places.commit(look, wanted, ref, pinned)
    if at is not None:
        await places.check_shown(look, trusted=at.trusted)
    answer = FileList(**frame(look, at), trusted=at is None or at.trusted)
    found = await at_path(look, at, path) if at else None
    if found is None or at is None:
        return answer.model_copy(update={"pending": await look.pending()})
    if found is NOTHING:
        raise Refused("invalid_arguments", f"`path`: there is no {path} in commit {at.sha}.")
    if not found.is_folder:
        return answer.model_copy(update={"files": [line(path, found)]})
    room = room_for(max_tokens)
    inside = [Item(path, each) for each in await look.folder(found.sha) or ()][start:]
    shown = _first(inside, room)
    lines = await _file_lines(look, shown, room)
    end = start + len(shown)
    more = encode(f"{at.sha} {end}") if len(shown) < len(inside) else None
    update = {"files": lines, "next_cursor": more, "pending": await look.pending()}
    return answer.model_copy(update=update)


def _position(cursor: str | None) -> tuple[str | None, int]:
    sha, _, place = decode(cursor).partition(" ")
    if cursor and not (places.WHOLE_SHA.fullmatch(sha) and place.isascii() and place.isdecimal()):
        raise wrong_cursor()
    return (sha, int(place[:9])) if cursor else (None, 0)


def _first(items: list[Item], room: int) -> list[Item]:
    """As many as fit, and one at least."""
    shown: list[Item] = []
    for each in items:
        room -= each.cost
        if room < 0 and shown:
            break
        shown.append(each)
    return shown


async def _file_lines(look: Lookup, items: list[Item], room: int) -> list[str]:
    """The lines of the files. Folders are opened level by level, as long as there is room."""
    room -= sum(each.cost for each in items)
    shown = {each.path: each for each in items}
    level = [each for each in items if each.entry.is_folder]
    while level:
        level, room = await _open_folders(look, level, shown, room)
    return [line(path, each.entry) for path, each in sorted(shown.items())]


async def _open_folders(
    look: Lookup, level: list[Item], shown: dict[str, Item], room: int
) -> tuple[list[Item], int]:
    """Replace folders in `shown` by what is in them: the folders in these, and the room left.

    It ends when of some folders none fits, so that a wide level is not loaded in vain.
    """
    below: list[Item] = []
    for start in range(0, len(level), AT_ONCE):
        some = level[start : start + AT_ONCE]
        folders = await look.folders([each.entry.sha for each in some])
        opened = False
        for each in some:
            inside = [Item(each.path, entry) for entry in folders.get(each.entry.sha, ())]
            more = sum(item.cost for item in inside) - each.cost
            if inside and more <= room:
                opened, room = True, room - more
                del shown[each.path]
                shown |= {item.path: item for item in inside}
                below += [item for item in inside if item.entry.is_folder]
        if not opened:
            break
    return below, room
