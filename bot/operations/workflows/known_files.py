"""The files of a task's repository that the mirror has read, for a plan of the task."""

from bot.errors import Refused
from bot.github.git_objects import FOLDER, Entry
from bot.identity.actors import Actor
from bot.mirror import code
from bot.tasks import lookup
from store.engine.transaction import Tx
from store.mirror import branches, stored_repositories
from store.mirror.code_objects import Here

MOST_PATHS, MOST_LEVELS = 500, 6


async def paths(tx: Tx, actor: Actor, ref: str) -> list[str]:
    """Those at the head of the default branch. Empty if the actor may not see the task."""
    installation_id = actor.installation_id
    try:
        task = await lookup.find(tx, installation_id, ref, reach=actor.known_repositories)
    except Refused:
        return []
    here = (installation_id, task["repository_id"])
    where = await stored_repositories.repository_by_id(tx, *here)
    head = await branches.get(tx, *here, where["default_branch"]) if where else None
    root = await code.root_of(tx, here, head["sha"]) if head and head["sha"] else None
    return await _below(tx, here, root) if root else []


async def _below(tx: Tx, here: Here, root: str) -> list[str]:
    """The files below a folder, level by level, as far as its folders were read."""
    found: list[str] = []
    level = {"": root}
    for _ in range(MOST_LEVELS):
        folders = await code.folders(tx, here, list(level.values()))
        inside = [
            (f"{path}{each.name}", each)
            for path, sha in level.items()
            for each in folders.get(sha, ())
        ]
        found += [path for path, each in inside if not _is_folder(each)]
        level = {f"{path}/": each.sha for path, each in inside if _is_folder(each)}
        if not level or len(found) >= MOST_PATHS:
            break
    return found[:MOST_PATHS]


def _is_folder(entry: Entry) -> bool:
    return entry.mode == FOLDER
