"""The next step after GitHub's answer to a read: one table for each kind of reader."""

from collections.abc import Mapping
from enum import StrEnum

from bot.github.outcomes import Meaning


class Step(StrEnum):
    # Apply the answer to the mirror. It may say that the thing was deleted.
    APPLY = "apply"
    # Try again soon. This does not count as a failure.
    WAIT = "wait"
    # Nothing was asked. Try again, after longer and longer waits, for as long as it takes.
    RETRY = "retry"
    # Try again, after longer and longer waits, then give up. MOST_TRIES says how often.
    RETRY_FAILURE = "retry a failure"
    RETRY_NONSENSE = "retry nonsense"
    RETRY_REFUSAL = "retry a refusal"
    # End the read without an answer, and store the reason.
    GIVE_UP = "give up"


# After so many tries Hubbub gives a read up. The waits between them are in `store.fetch`.
MOST_TRIES: Mapping[Step, int] = {
    # GitHub failed by itself. The tries go on for about ten days, at last once a day.
    Step.RETRY_FAILURE: 24,
    # A server before GitHub may answer, for some hours.
    Step.RETRY_NONSENSE: 10,
    # GitHub says no, and may only not know yet what was made a moment ago: six minutes.
    Step.RETRY_REFUSAL: 4,
}
Steps = Mapping[Meaning, Step]

READ: Steps = {
    Meaning.DONE: Step.APPLY,
    # `bot.fetch.absence` decides whether it was deleted.
    Meaning.ABSENT: Step.APPLY,
    Meaning.MALFORMED: Step.RETRY_NONSENSE,
    Meaning.LIMITED: Step.WAIT,
    Meaning.NO_TURN: Step.WAIT,
    # When the App gets more permissions, a new backfill reads it again.
    Meaning.FORBIDDEN: Step.RETRY_REFUSAL,
    Meaning.REFUSED: Step.RETRY_REFUSAL,
    Meaning.BLOCKED: Step.GIVE_UP,
    Meaning.UNKNOWN: Step.RETRY_FAILURE,
    Meaning.NO_TOKEN: Step.RETRY,
    Meaning.AWAY: Step.RETRY,
}
# A read that a backfill queued.
LATER_READ: Steps = {**READ, Meaning.FORBIDDEN: Step.GIVE_UP}
BACKFILL_PAGE: Steps = {
    **READ,
    # GitHub's replicas may not know a new repository yet.
    Meaning.ABSENT: Step.RETRY_REFUSAL,
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
    return Step.GIVE_UP if attempts >= MOST_TRIES.get(found, attempts + 1) else found
