"""Tells an agent that speaks A2A that it no longer has a task."""

from bot.protocols.a2a import errors
from bot.protocols.a2a.exchange import Exchange
from bot.protocols.a2a.remote import Problem
from bot.protocols.outcomes import Delivered, Outcome

# It has ended, or the agent does not know it.
OVER = frozenset({errors.TASK_NOT_FOUND, errors.NOT_CANCELABLE})
# The agent cannot cancel: nothing of what it says counts any more.
CANNOT = frozenset({errors.NO_METHOD, errors.UNSUPPORTED})


async def step(exchange: Exchange) -> Outcome:
    """A cancellation is idempotent, so it may be sent again. Raise Problem."""
    remote_id = exchange.delivery.row["remote_id"]
    if remote_id is None:
        # The agent never said that it has the task. If it does, nothing of its result counts.
        return Delivered()
    where = await exchange.remote.read_card()
    try:
        await exchange.remote.call(where, "CancelTask", {"id": remote_id}, sends=True)
    except Problem as exc:
        if exc.code not in OVER | CANNOT:
            raise
    return Delivered()
