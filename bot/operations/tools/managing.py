"""What people decide about a tool of another server: accept a change, pin it, limit it."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from bot.errors import Refused
from bot.identity import permissions
from bot.kernel import tool_lists
from bot.kernel.operation import Context, operation
from bot.operations.manage_checks import check_unused
from bot.operations.tools.calling import ToolName
from bot.operations.tools.tool_views import REJECTED, ToolDetails, details
from bot.tools import tool_finding, tool_policies
from bot.tools.tool_finding import NamedTool
from bot.tools.tool_policies import Amount, Count, Label
from store.mounts import mounts, tool_lookup, tools
from store.mounts.tool_lookup import MOST_PINNED
from store.tables.agents import Role
from store.tables.mounts import MountRow, ToolRow

Action: TypeAlias = Literal["accept", "reject", "park", "unpark", "pin", "unpin", "set"]
# What an accepted change replaces.
ACCEPTED = ("title", "description", "input_schema", "output_schema", "hints", "hash")


class PolicyChange(BaseModel):
    """Each setting that is given is changed. Null puts it back to its default."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    calls_a_minute: Count | None = None
    calls_a_day: Count | None = None
    price: Amount | None = None
    cost_a_day: Amount | None = None
    timeout_s: int | None = None
    cache_s: int | None = None
    max_bytes: int | None = None
    retries: int | None = None
    fallback: str | None = Field(None, max_length=40)
    capabilities: list[Label] | None = Field(None, max_length=20)


@operation(reads_only=True)
async def get_tool(ctx: Context, tool: ToolName) -> ToolDetails:
    """Return a tool of another server: its proposed change, policy and newest calls."""
    return await details(ctx, await _find(ctx, tool))


@operation()
async def manage_tool(
    ctx: Context,
    tool: ToolName,
    action: Annotated[Action, Field(description="what to do with it")],
    hash: Annotated[  # noqa: A002 - the word that people know
        str | None, Field(max_length=64, description="of the change to accept or reject")
    ] = None,
    policy: Annotated[PolicyChange | None, Field(description="for set: what to change")] = None,
) -> ToolDetails:
    """Accept, reject, park, pin or limit a tool of another server."""
    if action not in ("accept", "reject"):
        check_unused(action, hash=hash)
    if action != "set":
        check_unused(action, policy=policy)
    found = await _find(ctx, tool)
    row = found.row
    before = _is_listed(row)
    if action in ("accept", "reject"):
        row = _decide(ctx, row, hash, accept=action == "accept")
    elif action in ("pin", "unpin"):
        row = await _pin(ctx, row, pin=action == "pin")
    else:
        changed = {"parked": action == "park" or None} if "park" in action else _changes(policy)
        row = {**row, "policy": await _policy(ctx, found, changed)}
    await tools.replace(ctx.tx, row)
    if before or _is_listed(row):
        await tool_lists.note_change(ctx.tx, ctx.installation_id, ctx.actor.name)
    made = NamedTool(found.mount, row, tool_policies.read(row["policy"]))
    return await details(ctx, made)


async def _find(ctx: Context, name: str) -> NamedTool:
    """The tool, locked with its server. Raise Refused unless the person leads all that use it."""
    found = await tool_finding.find(ctx.tx, ctx.actor, name)
    _check_leads(ctx, found.mount)
    if ctx.operation == "get_tool":
        return found
    await mounts.lock(ctx.tx, ctx.installation_id, found.mount["id"])
    return await tool_finding.find(ctx.tx, ctx.actor, name)


def _check_leads(ctx: Context, mount: MountRow) -> None:
    """A server without repositories is for all of them."""
    here = mount["repositories"]
    if here is None and permissions.allows_everywhere(ctx.actor, ctx.operation):
        return
    if here is not None and all(
        permissions.allows(ctx.actor, ctx.operation, repository_id=each) for each in here
    ):
        return
    raise Refused(
        "forbidden",
        f"Only a person who administers or maintains every repository that may use "
        f"{mount['name']} may see and change its tools here.",
        **permissions.missing(ctx.actor, ctx.operation),
    )


def _is_listed(row: ToolRow) -> bool:
    return bool(row["pinned"]) and row["state"] == "active" and not row["policy"].get("parked")


def _decide(ctx: Context, row: ToolRow, given: str | None, *, accept: bool) -> ToolRow:
    proposed = row["proposed"]
    if proposed is None:
        raise Refused("invalid_arguments", "The tool has no change to accept or reject.")
    if given != proposed["hash"]:
        raise Refused(
            "effect_changed",
            "Pass the `hash` of the change that you read, from get_tool. The server proposes "
            "another one now."
            if given
            else "Pass the `hash` of the change, from get_tool.",
            hash=proposed["hash"],
        )
    by = ctx.actor.name[:120]
    if not accept:
        kept = {name: value for name, value in proposed.items() if name != REJECTED}
        return {**row, "proposed": {REJECTED: by, **kept}}
    made: ToolRow = {
        **row,
        **{name: proposed[name] for name in ACCEPTED},  # type: ignore[typeddict-item]
        "state": "active",
        "proposed": None,
        "version": row["version"] + 1,
        "changed_at": ctx.now,
        "accepted_by": by,
    }
    return made


async def _pin(ctx: Context, row: ToolRow, *, pin: bool) -> ToolRow:
    if pin and row["state"] != "active":
        raise Refused("invalid_arguments", f"The tool is {row['state']}. Accept it first.")
    if pin and not row["pinned"]:
        n = await tool_lookup.count_pinned(ctx.tx, ctx.installation_id)
        if n >= MOST_PINNED:
            raise Refused(
                "too_many",
                f"{n} tools are pinned, which is the limit: every agent pays for each at its "
                "start. Unpin another one.",
                most=MOST_PINNED,
            )
    return {**row, "pinned": int(pin)}


def _changes(policy: PolicyChange | None) -> dict[str, Any]:
    changed = policy.model_dump(exclude_unset=True) if policy else {}
    if not changed:
        raise Refused("invalid_arguments", "Pass in `policy` at least one setting to change.")
    return changed


async def _policy(ctx: Context, tool: NamedTool, changed: dict[str, Any]) -> dict[str, Any]:
    """The policy as it will be stored. Raise Refused for values that are not possible."""
    made = tool_policies.change(tool.row["policy"], changed)
    if problem := tool_policies.problem(made):
        raise Refused("invalid_arguments", problem)
    if name := changed.get("fallback"):
        other = await mounts.by_name(ctx.tx, ctx.installation_id, name)
        is_other = other is not None and other["id"] != tool.mount["id"]
        if other is None or not is_other or mounts.COMPOSED in (other["kind"], tool.mount["kind"]):
            raise Refused("invalid_arguments", f"`policy.fallback`: there is no other {name!r}.")
        _check_leads(ctx, other)
        if await tools.get(ctx.tx, ctx.installation_id, other["id"], tool.row["name"]) is None:
            raise Refused(
                "invalid_arguments",
                f"`policy.fallback`: {name} has no tool {tool.row['name']}.",
            )
    return made
