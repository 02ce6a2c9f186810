"""What an agent needs to go on where it was: its leases with their fences, and its checkpoints."""

import json
from typing import Any

from bot.agents import checkpoints
from bot.kernel.operation import Context
from bot.operations.agents.views import LeaseNow
from bot.times import stamp
from store.tasks import lease_history
from store.tasks.lease_history import TaskOfLease

# Leases, and bytes of checkpoints, of one answer.
MOST_LEASES, MOST_BYTES = 20, 20_000


class _Room:
    """What still fits."""

    def __init__(self) -> None:
        self.left = MOST_BYTES

    def take(self, state: Any) -> bool:
        size = len(json.dumps(state, ensure_ascii=False).encode())
        if size > self.left:
            return False
        self.left -= size
        return True


async def held_now(ctx: Context) -> dict[str, Any]:
    """The fields of the answer to a registration."""
    room, left_out = _Room(), list[str]()
    here, me = (ctx.tx, ctx.installation_id), ctx.actor.name
    own = await checkpoints.checkpoint_of(ctx, me, "")
    state = own.state if own is not None and room.take(own.state) else None
    rows = await lease_history.live_of(*here, [me], ctx.actor.repositories, MOST_LEASES)
    leases = []
    for row in rows:
        lease = _lease(row)
        saved = await checkpoints.checkpoint_of(ctx, me, row["task_id"])
        if saved is not None and room.take(saved.state):
            lease = lease.model_copy(update={"checkpoint": saved.state})
        elif saved is not None:
            left_out.append(lease.task)
        leases.append(lease)
    return {"leases": leases, "checkpoint": state, "left_out": left_out}


def _lease(row: TaskOfLease) -> LeaseNow:
    return LeaseNow(
        task=f"{row['full_name']}#{row['number']}" if row["number"] else row["task_id"],
        fence=row["fence"],
        state=row["task_state"],
        expires_at=row["expires_at"] and stamp(row["expires_at"]),
    )
