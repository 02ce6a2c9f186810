"""Secrets that the repository has already: who changes another line of their file adds none."""

from typing import Any

from bot import secret_formats
from bot.kernel.operation import Context
from bot.mirror import code
from bot.operations.github.targets import Place
from store.mirror import branches, stored_repositories

# Files of a commit that are compared with what is there.
MOST = 20


async def of_files(ctx: Context, where: Place, arguments: dict[str, Any]) -> set[str]:
    """The secrets in the files that a commit changes or deletes, as far as Hubbub has read these.

    They are looked for in the commit that it builds on, and in the default branch.
    """
    paths = [*(each["path"] for each in arguments["files"]), *arguments.get("delete", [])]
    found: set[str] = set()
    for commit in await _commits(ctx, where, arguments):
        for path in paths[:MOST]:
            content = await code.file_at(ctx.tx, (ctx.installation_id, where["id"]), commit, path)
            found |= secret_formats.texts(content.decode("latin-1")) if content else set()
    return found


async def _commits(ctx: Context, where: Place, arguments: dict[str, Any]) -> list[str]:
    here = (ctx.tx, ctx.installation_id, where["id"])
    repository = await stored_repositories.repository_by_id(*here)
    names = [arguments["branch"], repository["default_branch"] if repository else ""]
    rows = [await branches.get(*here, name) for name in names if name]
    shas = [arguments.get("head"), *(row["sha"] for row in rows if row)]
    return list(dict.fromkeys(each for each in shas if each))
