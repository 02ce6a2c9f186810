"""What people see of a tool of another server: proposed change, policy and newest calls."""

from typing import Any

from pydantic import BaseModel, Field

from bot.kernel.operation import Answer, Context
from bot.mounts import tool_changes, tool_limits
from bot.mounts.compositions import running
from bot.mounts.tool_changes import Compatibility
from bot.quotas.money import amount
from bot.repository.composed_tools.checks import needed_by
from bot.times import SECOND, stamp
from bot.tools.tool_finding import NamedTool
from bot.tools.tool_policies import ToolPolicy
from store.mounts import mounts, tool_calls
from store.tables.mounts import ToolRow
from store.tables.tool_calls import ToolCallRow

# Calls that a person sees.
SHOWN_CALLS = 20
# It comes first, so that the list of what needs a person finds it in the text.
REJECTED = "rejected_by"


class ChangeView(BaseModel):
    place: str = Field(description="of the arguments or the result")
    what: str
    breaking: bool = Field(description="calls that fitted before may not fit any more")


class Proposal(BaseModel):
    """What the server says now, which nobody has accepted."""

    hash: str = Field(description="pass it to accept exactly this")
    compatibility: Compatibility = Field(
        description="same: only words changed; compatible: all calls still fit"
    )
    changes: list[ChangeView]
    difference: list[str] = Field(description="lines of a diff")
    rejected_by: str | None = None


class CallView(BaseModel):
    at: str
    caller: str
    outcome: str
    seconds: float
    size: int
    cost: str | None = None
    attempts: int
    kept: bool


class StepView(BaseModel):
    """One call of a composed tool."""

    id: str
    call: str
    after: list[str] = Field(description="steps that end before")
    values: dict[str, Any]
    conditions: list[str]
    on_failure: str


class ToolDetails(Answer):
    of_mirror = False

    name: str
    server: str
    title: str
    description: str
    state: str = Field(description="active, parked or removed")
    parked_by_people: bool = Field(description="whatever its state is")
    pinned: bool = Field(description="agents have it in their list of tools")
    version: int = Field(description="how many versions were accepted")
    changed_at: str
    accepted_by: str | None
    hints: dict[str, Any] = Field(description="what the server says of itself")
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    proposal: Proposal | None
    policy: ToolPolicy
    used_today: dict[str, Any] = Field(description="calls and cost, if they are counted")
    calls: list[CallView] = Field(description="the newest first")
    steps: list[StepView] = Field([], description="of a composed tool")


async def details(ctx: Context, found: NamedTool) -> ToolDetails:
    row, mount = found.row, found.mount
    here = (ctx.tx, ctx.installation_id)
    calls = await tool_calls.newest(*here, mount["id"], row["name"], SHOWN_CALLS)
    used = await tool_calls.usage(*here, tool_limits.day_of(ctx.now), mount["id"], row["name"])
    return ToolDetails(
        name=found.name,
        server=mount["name"],
        title=row["title"],
        description=row["description"],
        state=row["state"],
        parked_by_people=found.policy.parked,
        pinned=bool(row["pinned"]),
        version=row["version"],
        changed_at=stamp(row["changed_at"]),
        accepted_by=row["accepted_by"],
        hints=row["hints"],
        input_schema=row["input_schema"],
        output_schema=row["output_schema"],
        proposal=_proposal(row),
        policy=found.policy,
        used_today={"calls": used["calls"], "cost": amount(used["cost"])} if used else {},
        calls=[_call(each) for each in calls],
        steps=await _steps(ctx, found),
    )


def _call(row: ToolCallRow) -> CallView:
    return CallView(
        at=stamp(row["at"]),
        caller=row["caller"],
        outcome=row["outcome"],
        seconds=round(row["duration"] / SECOND, 3),
        size=row["size"],
        cost=amount(row["cost"]) if row["cost"] else None,
        attempts=row["attempts"],
        kept=bool(row["cached"]),
    )


async def _steps(ctx: Context, found: NamedTool) -> list[StepView]:
    if found.mount["kind"] != mounts.COMPOSED or found.row["state"] != "active":
        return []
    definition = await running.definition_of(ctx, found)
    return [
        StepView(
            id=each.id,
            call=each.call,
            after=[other.id for other in definition.steps if other.id in needed_by(each)],
            values=each.values,
            conditions=each.conditions,
            on_failure=each.on_failure,
        )
        for each in definition.steps
    ]


def _proposal(row: ToolRow) -> Proposal | None:
    proposed = row["proposed"]
    if proposed is None:
        return None
    # A tool that is new has no version to compare with.
    old: dict[str, Any] = dict(row) if row["version"] else {}
    changes = tool_changes.tool_changes(old, proposed)
    return Proposal(
        hash=proposed["hash"],
        compatibility=tool_changes.compatibility(changes) if old else "breaking",
        changes=[
            ChangeView(place=each.place, what=each.what, breaking=each.is_breaking)
            for each in changes
        ],
        difference=tool_changes.difference(old, proposed),
        rejected_by=proposed.get(REJECTED),
    )
