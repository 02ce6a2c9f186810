"""Every operation, in the order in which surfaces list them."""

from bot.operation import Operation
from bot.operations import agents

OPERATIONS: dict[str, Operation] = {
    each.name: each
    for each in (
        agents.register_agent,
        agents.update_agent,
        agents.get_agent,
        agents.list_agents,
    )
}
