"""When GitHub's 404 or 410 counts as a deletion.

One such answer proves nothing. A replica of GitHub may lag behind, the App may have lost its access
for a while, or the credentials may be those of another App. So GitHub must say it twice, a minute
apart, and each time it must show the App where the object was.
"""

from collections.abc import Callable
from enum import StrEnum

from bot.fetch.answers.answer import BETWEEN_LOOKS
from bot.github.channel import Channel
from bot.github.outcomes import Meaning, Outcome
from bot.github.payloads import at
from bot.github.requests import Request
from bot.mirror.reads import Arguments
from store.engine.transaction import Tx
from store.mirror import branches, settings_files, stored_installations
from store.tables.fetch import PendingReadRow
from store.workflows import definitions

# After so many answers that do not even show the parent, Hubbub gives the read up.
MOST_BLIND_LOOKS = 3


class Verdict(StrEnum):
    # GitHub said it twice. The object was deleted.
    DELETED = "deleted"
    # Look again later.
    DOUBTFUL = "doubtful"
    # The App may not see where the object was, so the answer says nothing about the object.
    BLIND = "blind"
    # The mirror has nothing that it could lose.
    NOTHING_LOST = "nothing lost"


def _repository(arguments: Arguments) -> str:
    return f"/repositories/{arguments['repository_id']}"


# Where the object was, by the kind of read. What other kinds ask for is not deleted by a 404.
PARENTS: dict[str, Callable[[Arguments], str]] = {
    "issue": _repository,
    "comment": _repository,
    "settings": _repository,
    "workflow_files": _repository,
    "ref": _repository,
    "permission": _repository,
    "project_item": lambda a: f"/orgs/{a['org']}/projectsV2/{a['number']}",
    "installation": lambda _: "/app",
}


async def judge(
    channel: Channel, read: PendingReadRow, read_at: int
) -> tuple[Verdict, Outcome | None]:
    """What an answer that the object is absent means. The outcome is that of asking for the parent.

    It is None if Hubbub did not ask for the parent.
    """
    if not await channel.store.read(lambda tx: _may_lose(tx, read)):
        return Verdict.NOTHING_LOST, None
    path = PARENTS.get(read["kind"])
    if path is None:
        return _look(read, read_at), None
    i = read["installation_id"]
    parent = await channel.ask_next(i, Request("GET", path(read["arguments"])))
    is_visible = parent.meaning is Meaning.DONE
    if is_visible and read["kind"] == "installation":
        is_visible = await _is_own_app(channel, i, parent)
    return (_look(read, read_at) if is_visible else Verdict.BLIND), parent


def _look(read: PendingReadRow, read_at: int) -> Verdict:
    first = read["arguments"].get("absent_at")
    is_second = first is not None and read_at - first >= BETWEEN_LOOKS
    return Verdict.DELETED if is_second else Verdict.DOUBTFUL


async def _may_lose(tx: Tx, read: PendingReadRow) -> bool:
    """False where it is usual that there is nothing, and the mirror has nothing either."""
    i, arguments = read["installation_id"], read["arguments"]
    if read["kind"] == "settings":
        return await settings_files.get(tx, i, arguments["repository_id"]) is not None
    if read["kind"] == "workflow_files":
        return bool(await definitions.of_repository(tx, i, arguments["repository_id"]))
    if read["kind"] == "ref":
        here = (i, arguments["repository_id"], arguments["name"])
        return await branches.get(tx, *here) is not None
    return True


async def _is_own_app(channel: Channel, installation_id: int, parent: Outcome) -> bool:
    """Whether GitHub knows our credentials as those of the App of this installation."""
    known = await channel.store.read(
        lambda tx: stored_installations.installation(tx, installation_id)
    )
    owner = known["app_id"] if known else 0
    return channel.github.is_app(at(parent.data, "id"), owner)


def next_look(queued: PendingReadRow, read_at: int) -> tuple[int, Arguments]:
    """When to look again, and the arguments of the read with the time of the first look."""
    first = queued["arguments"].get("absent_at", read_at)
    found: Arguments = {"absent_at": first}
    return first + BETWEEN_LOOKS, queued["arguments"] | found
