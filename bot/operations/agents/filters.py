"""Which agents a list shows."""

from bot.kernel.operation import Context
from bot.tasks.capabilities import spellings
from store.agents.agents import Sought, Status
from store.tables.agents import Role


def sought_agents(
    ctx: Context,
    *,
    status: Status | None,
    system: str | None,
    role: Role | None,
    capability: str | None,
    parent: str | None = None,
) -> Sought:
    """With None, a filter leaves out no agent."""
    return Sought(
        idle=ctx.now - ctx.shared.idle_after,
        inactive=ctx.now - ctx.shared.inactive_after,
        status=status,
        system=system,
        role=role,
        parent=parent,
        capability=spellings(capability) if capability else None,
    )
