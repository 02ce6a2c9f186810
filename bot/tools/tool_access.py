"""Who may call a tool of another server: by its policy, and by the repositories of its server."""

from collections.abc import Collection
from typing import Any

from bot.identity.actors import Actor
from bot.tools.tool_policies import DEFAULT_ROLE
from store.tables.agents import Role


def role_of(policy: dict[str, Any]) -> Role:
    """The lowest role that may call the tool."""
    found: Role = policy.get("role") or DEFAULT_ROLE
    return found


def reaches(actor: Actor, repositories: Collection[int] | None) -> bool:
    """Whether the actor may know of a server that is for these repositories. None: for all."""
    known = actor.known_repositories
    return repositories is None or known is None or not set(repositories).isdisjoint(known)


def may_call(actor: Actor, policy: dict[str, Any], repositories: Collection[int] | None) -> bool:
    role = role_of(policy)
    if repositories is None:
        return actor.may_somewhere(role)
    if not reaches(actor, repositories):
        return False
    if actor.roles is None:
        return actor.may(role)
    return any(actor.may(role, each) for each in repositories if each in actor.roles)
