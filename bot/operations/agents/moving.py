"""Moving an agent to another system: a one-time code for a token of the same agent."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bot.agents import hierarchy
from bot.errors import Refused
from bot.identity import moves, permissions
from bot.identity.actors import why_no_agent
from bot.identity.credentials import Grant, grant_of
from bot.kernel import event_stream
from bot.kernel.operation import Answer, Context, operation
from bot.operations.agents.arguments import AgentId, System
from bot.operations.agents.views import known_agent
from bot.times import SECOND, stamp
from store.identity import credentials
from store.tables.identity import CredentialRow


class Moving(Answer):
    of_mirror = False
    # A repeated call does not show the code again.
    sealed: ClassVar[Mapping[str, Any]] = MappingProxyType({"code": True})

    agent_id: str
    role: str
    expires_at: str = Field(description="until then the code works")
    code: str | None = Field(None, description="for `hubbub token redeem CODE`; shown once")


@operation()
async def move_agent(
    ctx: Context,
    agent_id: Annotated[AgentId | None, Field(description="default: you")] = None,
    system: Annotated[System | None, Field(description="where it goes on")] = None,
    cursor: Annotated[
        str | None, Field(max_length=100, description="of your events, to hand over")
    ] = None,
    expires_s: Annotated[
        int, Field(ge=60, le=moves.LONGEST_S, description="how long the code works")
    ] = moves.USUAL_S,
) -> Moving:
    """Make a one-time code with which an agent goes on in another system.

    Its use ends all other tokens of the agent. All else stays.
    """
    which = agent_id or ctx.actor.name
    await _check_may_move(ctx, which)
    event_stream.parse_cursor(ctx.installation_id, cursor)
    held = await _newest_token(ctx, which)
    grant = _grant(ctx, held)
    code = await moves.add(
        ctx.tx,
        ctx.shared.keys,
        grant,
        lasts_s=expires_s,
        until=held["expires_at"],
        to=system or "",
        cursor=cursor or ctx.events_cursor,
    )
    ends = stamp(ctx.now + expires_s * SECOND)
    return Moving(agent_id=which, role=grant.role, expires_at=ends, code=code)


async def _check_may_move(ctx: Context, agent_id: str) -> None:
    """Raise Refused if the actor may not move the agent, or it cannot move now."""
    if ctx.actor.is_person and agent_id == ctx.actor.name:
        raise Refused("invalid_arguments", "Pass `agent_id`: people do not move, only agents.")
    if why := why_no_agent(agent_id):
        raise Refused("invalid_arguments", f"{agent_id!r} cannot move, because {why}.")
    row = await known_agent(ctx, agent_id)
    own = agent_id == ctx.actor.name or await hierarchy.is_below(ctx, agent_id, ctx.actor.name)
    if not own and not permissions.allows_everywhere(ctx.actor, "move_agent"):
        raise Refused(
            "forbidden",
            f"Only {agent_id} itself, agents above it, or a tech-lead of the whole installation, "
            "may move it.",
            **permissions.missing(ctx.actor, "move_agent"),
        )
    if row["left_at"] is not None:
        raise Refused("not_registered", f"{agent_id} is not registered, so it cannot move.")
    if row["paused_at"] is not None:
        raise Refused(
            "agent_paused",
            f"{row['paused_by']} paused {agent_id}. It can move when the pause ends.",
            paused_by=row["paused_by"],
        )


async def _newest_token(ctx: Context, agent_id: str) -> CredentialRow:
    """The token that moves: the caller's own, or the one of the agent that was used last."""
    found = await credentials.bearers_of(ctx.tx, ctx.installation_id, agent_id)
    own = [each for each in found if each["id"] == ctx.actor.credential]
    if not found:
        raise Refused(
            "invalid_arguments",
            f"{agent_id} has no valid token, so there is nothing to move. Nothing was changed.",
        )
    return (own or found)[0]


def _grant(ctx: Context, held: CredentialRow) -> Grant:
    """What the code grants: the same as the token before. Raise Refused if the caller has less."""
    before = grant_of(held)
    reach, mine = before.repositories, ctx.actor.repositories
    is_within = mine is None or (reach is not None and reach <= mine)
    if not ctx.actor.may(before.role) or not is_within:
        raise Refused(
            "forbidden",
            f"Nobody can grant more than they may do themselves. {before.actor} may do more than "
            f"{ctx.actor.name}: ask it to move itself, or a tech-lead.",
        )
    return Grant(
        before.installation_id,
        before.actor,
        before.role,
        reach,
        created_by=ctx.actor.name,
        person_id=before.person_id,
    )
