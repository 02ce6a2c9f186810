"""What follows, in one transaction, from tasks that ended, began again or became ready."""

from collections.abc import Set as AbstractSet

from bot.workflows.execution import advance
from bot.workflows.offers import offers
from store.engine.transaction import TaskKey, Tx


async def follow(tx: Tx, changed: AbstractSet[TaskKey]) -> None:
    """For the store: its `before_commit`."""
    await advance.follow(tx, changed)
    await offers.offer(tx, changed)
