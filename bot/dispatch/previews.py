"""What a call would do: it is executed in a transaction that is then rolled back.

So a preview is exact, because no second code says what would happen.
"""

from bot.dispatch import execution
from bot.dispatch.effects import Effects, effects_of
from bot.dispatch.execution import Call
from bot.kernel.operation import Answer
from store.engine.transaction import Store, Tx, settle


class _RolledBack(Exception):
    """Ends the transaction without a commit."""

    def __init__(self, found: Effects) -> None:
        self.found = found


async def preview(store: Store, call: Call) -> Effects:
    """Raise Refused as the call would."""

    async def work(tx: Tx) -> None:
        made = await execution.execute_unrecorded(tx, call)
        # Nobody is called outside. What comes of that is not known before.
        answer = made if isinstance(made, Answer) else Answer()
        await settle(tx)
        raise _RolledBack(await effects_of(tx, call.actor.installation_id, answer))

    try:
        await store.write(work)
    except _RolledBack as exc:
        return exc.found
    raise AssertionError("the transaction was not rolled back")
