"""When Hubbub looks at a run next. Pure."""

from bot.times import MINUTE, SECOND
from store.tables.runs import RunState

# A workflow run normally begins within seconds. Hosted runners can be short for some minutes.
START_WITHIN = 15 * MINUTE
# GitHub's webhooks say how a run goes. This is for those that are lost.
LOOK_EVERY = 30 * MINUTE
# How long until Hubbub looks for the answer to a question about a run.
LOOK_WAIT = 30 * SECOND
# After so long without an answer, Hubbub asks again: reads that failed wait longer and longer.
ASK_AGAIN = 15 * MINUTE
# How far GitHub's clock and ours may be apart.
CLOCKS_APART = MINUTE
# Between the request to the agent to stop, and the request to GitHub to cancel its run.
GRACE = 2 * MINUTE
# How long GitHub may take to cancel a run. Its jobs may run steps with `always()`.
CANCEL_WITHIN = 3 * MINUTE


def due_at(state: RunState, now: int, deadline_at: int | None, *, has_started: bool) -> int | None:
    """When to look at a run that has just reached this state. None: nothing happens by time."""
    if state == "dispatched":
        return now + START_WITHIN
    if state == "running":
        return next_look(now, deadline_at)
    if state == "stopping":
        # Without a job, nobody reads the request to stop.
        return now + (GRACE if has_started else 0)
    return None


def next_look(now: int, deadline_at: int | None) -> int:
    """When to look again at a run that goes on."""
    return min(now + LOOK_EVERY, deadline_at or now + LOOK_EVERY)


def is_over(deadline_at: int | None, now: int) -> bool:
    return deadline_at is not None and deadline_at <= now
