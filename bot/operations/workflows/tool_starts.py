"""What the start of a workflow says about its steps that tools do, and checks of them."""

import json

from bot import secret_formats
from bot.errors import Refused
from bot.identity import permissions
from bot.identity.actors import BOT, ROLES, Actor
from bot.kernel.operation import Context
from bot.kernel.sentences import code
from bot.kernel.untrusted_text import visible
from bot.mounts import tool_calls
from bot.operations.tools.calling import call_tool
from bot.tools import tool_access, tool_finding
from bot.tools.tool_arguments import with_types
from bot.workflows.definitions import tool_values
from bot.workflows.definitions.expansion import ExpandedStep
from bot.workflows.starting.first_rows import Start
from store.tables.agents import Role
from store.tables.workflows import WorkflowRow

# Whoever may push the file may write to the repository, so a schedule has this role.
OF_SCHEDULES: Role = "developer"
LOWEST: Role = ROLES[0]
# A block of code ends with as many of them as it begins with.
FENCE = "`" * 6


def role_of(actor: Actor, repository_id: int) -> Role:
    """The role with which the tools of a workflow are called that the actor starts."""
    return OF_SCHEDULES if actor.name == BOT else actor.role_in(repository_id)


def caller(workflow: WorkflowRow, role: Role) -> Actor:
    """As whom its tools are called: who started it, in its repository alone."""
    here = frozenset({workflow["repository_id"]})
    return Actor(workflow["installation_id"], workflow["started_by"], role, here)


def check_may_call(actor: Actor) -> None:
    """Raise Refused unless the actor may call tools at all."""
    if not permissions.may_call(actor, call_tool.name):
        role = permissions.lowest_role(call_tool.name, person=actor.is_person)
        raise Refused(
            "forbidden",
            f"Tools need the role {role}; {actor.name} has {actor.role}.",
            **permissions.missing(actor, call_tool.name),
        )


async def check(ctx: Context, start: Start) -> str | None:
    """Raise Refused if a tool cannot be called so. Return a hint about tools that wait for people.

    What is parked or stopped now may be ready when the step begins.
    """
    hints: dict[str, None] = {}
    here = frozenset({start.repository_id})
    actor = Actor(ctx.installation_id, start.by, start.role or LOWEST, here)
    for each in start.steps:
        if each.step.tool is None:
            continue
        try:
            hints |= dict.fromkeys(await _hints(ctx, actor, each.step.tool, each))
        except Refused as exc:
            words = exc.message.replace(" Nothing was sent.", "")
            raise Refused(
                exc.code,
                f"step {code(each.key)}: {words} Nothing was changed.",
                **exc.details | {"step": each.key},
            ) from exc
    return " ".join(hints) or None


async def _hints(ctx: Context, actor: Actor, name: str, each: ExpandedStep) -> list[str]:
    check_may_call(actor)
    tool = await tool_finding.find(ctx.tx, actor, name)
    if not tool_access.may_call(actor, tool.policy.model_dump(), tool.mount["repositories"]):
        tool_finding.check(actor, tool)
    if not tool_values.has_outputs(each.arguments):
        # Others are checked when the call begins.
        arguments = with_types(tool.row["input_schema"], dict(each.arguments))
        tool_calls.check_arguments(tool, arguments)
    try:
        tool_finding.check(actor, tool)
    except Refused as exc:
        return [exc.message.replace(" Nothing was sent.", "")]
    return []


def body(each: ExpandedStep) -> str:
    """The text of the issue of a step with a tool: what is called, and with what."""
    given = json.dumps(tool_values.as_shown(dict(each.arguments)), indent=2, ensure_ascii=False)
    shown = secret_formats.mask(visible(given))[0].replace(FENCE, "")
    call = f"Hubbub calls the tool {code(each.step.tool or '')} for this step"
    how = f"{call}, with:\n\n{FENCE}json\n{shown}\n{FENCE}" if each.arguments else f"{call}."
    return f"{each.body.rstrip()}\n\n{how}" if each.body.strip() else how
