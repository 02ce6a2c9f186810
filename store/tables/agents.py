"""Who works: agents and their checkpoints."""

from typing import Annotated, Literal, TypeAlias, TypedDict

from store.tables.columns import KEY, Default, Index, Json, Table, Text

Role: TypeAlias = Literal["observer", "tester", "developer", "tech-lead"]


class AgentRow(TypedDict):
    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(64)]
    name: Annotated[str, Text(200)]
    system_name: Annotated[str, Text(80)]
    role: Annotated[Role, Text(20)]
    capabilities: Json
    parent_id: Annotated[str | None, Text(64)]
    registered_at: int
    last_active_at: int
    paused_at: int | None
    paused_by: Annotated[str | None, Text(120)]
    # When the agent left. Its row stays because other rows name it.
    left_at: int | None
    # The last health report: latency, error rate, CPU, memory and time.
    health: Json | None
    calls: Annotated[int, Default("0")]
    # How its leases ended.
    completed: Annotated[int, Default("0")]
    failed: Annotated[int, Default("0")]
    expired: Annotated[int, Default("0")]
    released: Annotated[int, Default("0")]
    # The bytes of the arguments with which it changed something.
    stored_bytes: Annotated[int, Default("0")]
    # The agent whose pause reached this one, as it is below it. It ends with that pause.
    paused_with: Annotated[str | None, Text(64)]
    # The agent whose budget is used up: this one or the lowest above it.
    spent_of: Annotated[str | None, Text(64)]


class AgentBudgetRow(TypedDict):
    """What an agent and all below it may spend together, and did since it was set.

    `cost` and `spent_cost` are in millionths of the server's currency. NULL is no limit.
    """

    installation_id: Annotated[int, KEY]
    agent_id: Annotated[str, KEY, Text(64)]
    tokens: int | None
    cost: int | None
    spent_tokens: Annotated[int, Default("0")]
    spent_cost: Annotated[int, Default("0")]
    # An agent above it, a person with @, or the bot for the limits of a run.
    set_by: Annotated[str, Text(120)]
    set_at: int
    # Since when it is used up.
    reached_at: int | None


class CheckpointRow(TypedDict):
    """The sealed state from which an agent, or its successor, resumes.

    `task_id` is empty when it belongs to no task.
    """

    installation_id: Annotated[int, KEY]
    agent_id: Annotated[str, KEY, Text(64)]
    task_id: Annotated[str, KEY, Text(40)]
    saved_at: int
    sealed: bytes


TABLES = (
    Table(
        "agents",
        AgentRow,
        Index("ix_agents_parent", "installation_id", "parent_id"),
    ),
    Table(
        "agent_budgets",
        AgentBudgetRow,
        Index("ix_agent_budgets_reached", "installation_id", "reached_at"),
    ),
    Table("checkpoints", CheckpointRow),
)
