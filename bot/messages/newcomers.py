"""What was sent to everybody, a role or a capability also reaches agents that register later."""

from collections.abc import Sequence

from bot.identity.actors import BOT, EVERYBODY
from bot.messages import delivery
from bot.tasks.capabilities import met_by
from bot.times import SECOND
from store.engine.transaction import Tx
from store.messages import late_readers

# An agent that comes gets at most so many, the newest.
MOST = 20
# No message is valid for longer.
LONGEST_LIFE = 30 * 24 * 3600 * SECOND


async def deliver_missed(
    tx: Tx, installation_id: int, agent_id: str, role: str, capabilities: Sequence[str]
) -> None:
    """Deliver to an agent that registers what was sent to its groups before."""
    groups = [EVERYBODY, f"role:{role}", *(f"capability:{each}" for each in met_by(capabilities))]
    since = await tx.now() - LONGEST_LIFE
    here = (tx, installation_id)
    found = await late_readers.earlier_messages(*here, agent_id, groups, since, MOST)
    if found:
        await late_readers.add(*here, agent_id, found)
        await delivery.record_mailbox_change(*here, [agent_id], BOT)
