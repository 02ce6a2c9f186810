"""Inviting an agent: a one-time code, with which it gets a token of its own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bot.agents import hierarchy
from bot.comments import replies
from bot.errors import Refused
from bot.identity import invitations
from bot.identity.actors import why_no_agent
from bot.identity.credentials import Grant
from bot.identity.oauth import consent
from bot.kernel.operation import Answer, Context, RepositoryName, Slash, operation
from bot.operations.agents.arguments import AgentId
from bot.operations.tasks.access import visible_repository
from bot.repository import narrowing
from bot.times import SECOND, stamp
from store.tables.agents import Role


class Invited(Answer):
    of_mirror = False
    # A repeated call does not show the code again.
    sealed: ClassVar[Mapping[str, Any]] = MappingProxyType({"code": True})

    agent_id: str
    role: str
    expires_at: str = Field(description="until then the code works")
    code: str | None = Field(
        None, description="for `hubbub token redeem CODE`; shown once, so pass it on privately"
    )
    page: str | None = Field(None, description="where the person who invites gets the code")


def _invite_reply(answer: Invited) -> str:
    return replies.invitation(answer.agent_id, answer.role, answer.page)


INVITE = Slash(
    "invite",
    "invite an agent: you get its code after a login, not here",
    ("agent_id", "role"),
    reply=_invite_reply,
    shown="NAME",
    required=True,
)


@operation(slashes=(INVITE,))
async def invite_agent(
    ctx: Context,
    agent_id: Annotated[AgentId, Field(description="the new agent's id")],
    role: Annotated[Role, Field(description="its role")] = "developer",
    repositories: Annotated[
        list[RepositoryName] | None, Field(description="all if left out", max_length=100)
    ] = None,
    expires_s: Annotated[
        int, Field(ge=60, le=invitations.LONGEST_S, description="how long the code works")
    ] = invitations.HOUR_S,
) -> Invited:
    """Make a one-time code with which an agent gets its token."""
    if why := why_no_agent(agent_id):
        raise Refused("invalid_arguments", f"{agent_id!r} cannot be an agent's id, because {why}.")
    if not ctx.actor.may(role):
        raise Refused(
            "forbidden",
            f"Nobody can grant more than they may do themselves: {ctx.actor.name} is "
            f"{ctx.actor.role}. Pass a lower role.",
        )
    grant = Grant(
        ctx.installation_id,
        agent_id,
        role,
        await _reach(ctx, repositories),
        created_by=ctx.actor.name,
        person_id=ctx.actor.person_id,
    )
    await _check_owner(ctx, grant)
    ends = stamp(ctx.now + expires_s * SECOND)
    if ctx.in_comment:
        hidden = await invitations.add_hidden(ctx.tx, ctx.shared.keys, grant)
        return Invited(agent_id=agent_id, role=role, expires_at=ends, page=_page(ctx, hidden))
    code = await invitations.add(ctx.tx, ctx.shared.keys, grant, lasts_s=expires_s)
    return Invited(agent_id=agent_id, role=role, expires_at=ends, code=code)


async def _check_owner(ctx: Context, grant: Grant) -> None:
    """Raise Refused if the agent is somebody else's, unless the actor leads all agents.

    The holder of an agent's token reads its messages and ends its tasks.
    """
    leads_all = ctx.actor.may("tech-lead") and not ctx.actor.is_bound
    if not leads_all and not await hierarchy.is_below(ctx, grant.actor, ctx.actor.name):
        await consent.check_owner(ctx.tx, grant)


async def _reach(ctx: Context, names: list[str] | None) -> frozenset[int] | None:
    """The ids of the repositories; the caller's own reach if none are named. Raise Refused."""
    if names is not None:
        return frozenset([(await visible_repository(ctx, each))["id"] for each in names])
    if ctx.actor.repositories is None:
        return None
    return ctx.actor.repositories - await narrowing.closed_repositories(ctx, ctx.operation)


def _page(ctx: Context, invitation_id: str) -> str | None:
    """Where the person who made the hidden invitation gets its code. None without a login."""
    where, person_id = ctx.shared.login_url, ctx.actor.person_id
    return f"{where}/invitations/{invitation_id}" if where and person_id else None
