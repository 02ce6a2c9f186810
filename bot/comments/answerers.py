"""Whom the comment with a question mentions: people who may answer, the closest to the task first.

GitHub notifies people when a new comment mentions them, and hardly ever when an edit does. So the
comment mentions them, once, and the card only names them.
"""

from collections.abc import Iterable

from bot.comments import authorship
from bot.identity.actors import TRUSTED
from store import events
from store.engine import json_text
from store.engine.transaction import Tx
from store.events import LoggedEvent
from store.mirror import stored_issues
from store.tables.mirror import IssueRow
from store.tasks.tasks import FullTask

# One comment disturbs no more people.
MOST = 3
EVENTS_READ = 60
# Steps that need no permission on GitHub.
BY_ANYBODY = frozenset({"task.created", "task.commented", "task.reviewed", "task.answered"})


async def of_task(tx: Tx, task: FullTask) -> list[str]:
    """Their logins: who asked for the task, its assignees, and who acted on it last."""
    here = (tx, task["installation_id"])
    issue = await stored_issues.issue(*here, task["repository_id"], task["number"] or 0)
    if issue is None:
        return []
    created = await events.newest(*here, task["id"], "task.created")
    steps = await events.of_subject(*here, task["id"], EVENTS_READ)
    asker = [] if authorship.is_bot(issue["author"]) else [issue["author"]]
    if not asker and created is not None and created["actor"].startswith("@"):
        asker = [created["actor"][1:]]
    is_stranger = bool(asker) and asker[0] == issue["author"] and not _is_trusted(issue)
    found = _distinct([*([] if is_stranger else asker), *_assignees(issue), *_last_actors(steps)])
    # The answer of the author counts too, whoever that is.
    return found[:MOST] or asker


def _is_trusted(issue: IssueRow) -> bool:
    return issue["author_association"] in TRUSTED


def _assignees(issue: IssueRow) -> list[str]:
    found: list[str] = json_text.value(issue["assignees"])
    return [each for each in found if not authorship.is_bot(each)]


def _last_actors(steps: Iterable[LoggedEvent]) -> list[str]:
    """People who did something to the task that strangers cannot do, the last one first."""
    return [
        each["actor"][1:]
        for each in steps
        if each["actor"].startswith("@")
        and (each["kind"] not in BY_ANYBODY or each["data"].get("association") in TRUSTED)
    ]


def _distinct(logins: Iterable[str]) -> list[str]:
    found: dict[str, str] = {}
    for each in logins:
        found.setdefault(each.casefold(), each)
    return list(found.values())
