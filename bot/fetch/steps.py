"""The next step after GitHub's answer to a read: one table for each kind of reader."""

from collections.abc import Mapping
from enum import StrEnum

from bot.github.outcomes import Meaning

# After this many malformed answers Hubbub gives a read up.
MOST_TRIES = 10


class Step(StrEnum):
    # Apply the answer to the mirror. It may say that the thing was deleted.
    APPLY = "apply"
    # Try again soon. This does not count as a failure.
    WAIT = "wait"
    # Try again, after longer and longer waits.
    RETRY = "retry"
    # Try again up to MOST_TRIES times, then give up.
    RETRY_FEW = "retry a few times"
    # End the read without an answer, and store the reason.
    GIVE_UP = "give up"


Steps = Mapping[Meaning, Step]

READ: Steps = {
    Meaning.DONE: Step.APPLY,
    # `bot.fetch.absence` decides whether it was deleted.
    Meaning.ABSENT: Step.APPLY,
    Meaning.MALFORMED: Step.RETRY_FEW,
    Meaning.LIMITED: Step.WAIT,
    Meaning.NO_TURN: Step.WAIT,
    Meaning.FORBIDDEN: Step.RETRY,
    Meaning.REFUSED: Step.RETRY,
    Meaning.UNKNOWN: Step.RETRY,
    Meaning.NO_TOKEN: Step.RETRY,
    Meaning.AWAY: Step.RETRY,
}
# A read that a backfill queued. When the App gets more permissions, a new backfill reads it again.
LATER_READ: Steps = {**READ, Meaning.FORBIDDEN: Step.GIVE_UP}
BACKFILL_PAGE: Steps = {
    **READ,
    # GitHub's replicas may not know a new repository yet.
    Meaning.ABSENT: Step.RETRY_FEW,
    Meaning.FORBIDDEN: Step.GIVE_UP,
}
# A delivery in GitHub's log. If the log no longer has it or its payload, no retry can get it.
LOGGED_DELIVERY: Steps = {
    **READ,
    Meaning.ABSENT: Step.GIVE_UP,
    Meaning.MALFORMED: Step.GIVE_UP,
}


def step(steps: Steps, meaning: Meaning, attempts: int) -> Step:
    """The next step for a read that was tried `attempts` times before."""
    found = steps[meaning]
    if found is not Step.RETRY_FEW:
        return found
    return Step.RETRY if attempts < MOST_TRIES else Step.GIVE_UP
