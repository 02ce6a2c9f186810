"""What all sources of notices need: for whom a notice is, how urgent it is, and its parts."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bot.identity.actors import Actor
from bot.kernel.notice_rules import LONGEST, LONGEST_OF
from bot.kernel.operation import Notice
from bot.kernel.sentences import whole_sentences
from bot.tasks import lookup
from bot.times import SECOND
from store.engine.reach import Reach
from store.engine.transaction import Tx
from store.tasks import tasks
from store.tasks.tasks import FullTask

# A notice about something older than this is not sent.
LATELY = 24 * 3600 * SECOND
# Notices in one answer.
MOST = 5
# Leases, messages or writes that are looked through for one notice.
MOST_ROWS = 20
# From the most urgent to the least.
URGENCY = (
    "paused",
    "unregistered",
    "lease_lost",
    "also_held",
    "hold",
    "deadlock",
    "completed",
    "lease_ending",
    "answered",
    "plan_approved",
    "plan_rejected",
    "run_stopping",
    "run_ended",
    "message",
    "consultation",
    "spend",
    "changes_requested",
    "review",
    "sent_back",
    "check_failed",
    "pull_blocked",
    "pull_allowed",
    "plan_changed",
    "edited",
    "pushed",
    "write_failed",
    "review_request",
    "vote_asked",
    "reviewer_asked",
    "assigned",
    "retried",
    "unassigned",
    "resumed",
    "hold_ended",
    "comment",
    "board_stopped",
    "board_conflict",
    "stuck",
)


@dataclass(frozen=True)
class Asker:
    tx: Tx
    actor: Actor
    now: int
    # Tasks that the call or its answer names, by id and by name in small letters: the agent knows
    # of them.
    named: Collection[str] = ()

    @property
    def here(self) -> tuple[Tx, int]:
        return self.tx, self.actor.installation_id

    @property
    def reach(self) -> Reach:
        return self.actor.repositories

    @property
    def agent(self) -> tuple[Tx, int, str]:
        return self.tx, self.actor.installation_id, self.actor.name


def rank(kind: str) -> int:
    return URGENCY.index(kind)


def notice(kind: str, subject: str, message: str, key: str = "", more: str = "") -> Notice:
    """`more`: where to read the rest of a message that is too long."""
    cut = whole_sentences(message, LONGEST_OF.get(kind, LONGEST), more)
    return Notice(kind=kind, subject=subject, message=cut, key=key)


def key_of(ids: Iterable[str]) -> str:
    return " ".join(ids)


async def named_task(asker: Asker, task_id: str) -> tuple[str, FullTask | None]:
    """The task with its name. If the agent cannot see its repository now, the name is its id."""
    task = await tasks.visible(*asker.here, task_id, asker.reach)
    return (lookup.name(task) if task else task_id), task
