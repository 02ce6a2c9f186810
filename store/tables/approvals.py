"""What waits for an approval: the votes on gates of workflows, and the plans of agents."""

from typing import Annotated, Literal, TypeAlias, TypedDict

from store.tables.columns import KEY, Flag, Index, Json, Table, Text

# `replaced`: by a newer one. `withdrawn`: its holder lost the task.
ProposalState: TypeAlias = Literal["waiting", "approved", "rejected", "replaced", "withdrawn"]


class GateVoteRow(TypedDict):
    """The last vote of somebody on a gate that is not decided yet."""

    installation_id: Annotated[int, KEY]
    workflow_id: Annotated[str, KEY, Text(40)]
    step: Annotated[str, KEY, Text(60)]
    # An agent's id, or a person's @login in small letters.
    voter: Annotated[str, KEY, Text(120)]
    approves: Flag
    note: str
    at: int


class PlanProposalRow(TypedDict):
    """Steps that the holder of a task proposes for it."""

    installation_id: Annotated[int, KEY]
    id: Annotated[str, KEY, Text(40)]
    repository_id: int
    task_id: Annotated[str, Text(40)]
    proposed_by: Annotated[str, Text(120)]
    # The lease under which it was proposed. It cannot be approved under another one.
    lease_id: Annotated[str, Text(40)]
    strategy: Annotated[str | None, Text(40)]
    note: str
    definition: Json
    # How many tasks it makes.
    size: int
    state: Annotated[ProposalState, Text(20)]
    decided_by: Annotated[str | None, Text(120)]
    why: Annotated[str | None, Text(600)]
    # The workflow that was started from it.
    workflow_id: Annotated[str | None, Text(40)]
    created_at: int
    decided_at: int | None


TABLES = (
    Table("gate_votes", GateVoteRow),
    Table(
        "plan_proposals",
        PlanProposalRow,
        Index("ix_plan_proposals_task", "installation_id", "task_id", "created_at", "id"),
        Index("ix_plan_proposals_state", "installation_id", "state", "created_at"),
    ),
)
