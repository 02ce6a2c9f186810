"""When the tool of a step is called. The calls themselves: see `bot.background.step_calls`."""

from bot.times import MINUTE, SECOND
from store.engine.transaction import Tx
from store.tables.workflows import WorkflowStepRow
from store.workflows import steps

# Rung when a step is to be done by a tool.
TOPIC = "tool steps"
# Before the second attempt; before later ones four times as long as before the last.
FIRST_PAUSE, LONGEST_PAUSE = 10 * SECOND, 60 * MINUTE


async def make_due(tx: Tx, row: WorkflowStepRow, pause: int = 0) -> WorkflowStepRow:
    """Have the tool called after a pause, unless a call is due or under way."""
    if row["call_at"] is not None:
        return row
    tx.rings.add(TOPIC)
    return await steps.change(tx, row, call_at=await tx.now() + pause, call_id=None)


def pause_before(attempt: int) -> int:
    """`attempt`: 1 for the first one that is made again."""
    return int(min(FIRST_PAUSE * 4 ** (attempt - 1), LONGEST_PAUSE))
