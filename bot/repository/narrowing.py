"""What a repository's settings forbid beyond the permission table: they narrow it, never widen.

`agents` raises the role of agents, by operation. `permissions` raises what people need, by slash
command, also where they call the operation without the command. What the caller takes part in does
not matter here: own, or of the same task.
"""

from dataclasses import replace

from bot.errors import Refused
from bot.identity import permissions
from bot.identity.actors import ROLE_OF_PERMISSION, ROLES, Actor
from bot.identity.permissions import RULES
from bot.kernel.operation import Context
from bot.repository import repository_settings
from bot.repository.repository_settings import NOBODY, Permission, RepositorySettings
from bot.repository.settings_file import PATH
from store.mirror import permissions as stored_permissions
from store.mirror import settings_files

ADMIN: Permission = "admin"


async def check(ctx: Context, repository_id: int, full_name: str) -> None:
    """Raise Refused if the repository forbids the running operation to the actor."""
    if (RULES[ctx.operation].narrows or ctx.verbs) and (
        refused := await refusal_in(ctx, ctx.operation, repository_id, full_name)
    ):
        raise refused


async def refusal_in(
    ctx: Context, operation: str, repository_id: int, full_name: str
) -> Refused | None:
    """Why the repository's settings forbid the operation to the actor. None if they do not."""
    if not ctx.state["narrows"]:
        return None
    settings = await repository_settings.of(ctx.tx, ctx.installation_id, repository_id)
    there = _in_repository(ctx.actor, repository_id)
    return refusal(there, operation, settings, full_name, ctx.verbs) or (
        await _refusal_beside_administrators(ctx, operation, settings, repository_id, full_name)
    )


async def _refusal_beside_administrators(
    ctx: Context,
    operation: str,
    settings: RepositorySettings,
    repository_id: int,
    full_name: str,
) -> Refused | None:
    """Why a person must be an administrator: roles do not tell `admin` from `maintain`.

    A command has been checked against GitHub's answer already.
    """
    verbs = set[str]() if ctx.in_comment else ctx.verbs
    for verb in sorted(verbs):
        if settings.permissions.permission_for(verb) == ADMIN:
            if await _administers(ctx, repository_id):
                return None
            return _verb_error(ctx.actor, operation, full_name, verb, ADMIN)
    return None


async def _administers(ctx: Context, repository_id: int) -> bool:
    """Whether GitHub's newest answer says so."""
    if ctx.actor.person_id is None:
        return False
    found = await stored_permissions.of_person(
        ctx.tx, ctx.installation_id, ctx.actor.person_id, since=0
    )
    return [row["permission"] for row in found if row["repository_id"] == repository_id][-1:] == [
        ADMIN
    ]


async def closed_repositories(ctx: Context, operation: str) -> frozenset[int]:
    """The repositories that forbid the operation to the actor."""
    if not ctx.state["narrows"]:
        return frozenset()
    rows = await settings_files.narrowing(ctx.tx, ctx.installation_id)
    found = {row["repository_id"]: repository_settings.parse(row["settings"]) for row in rows}
    return frozenset(
        id_
        for id_, settings in found.items()
        if refusal(_in_repository(ctx.actor, id_), operation, settings, "", ctx.verbs)
    )


def _in_repository(actor: Actor, repository_id: int) -> Actor:
    """The actor with the role that it has there."""
    return replace(actor, role=actor.role_in(repository_id))


def refusal(
    actor: Actor,
    operation: str,
    settings: RepositorySettings,
    full_name: str,
    verbs: frozenset[str] = frozenset(),
) -> Refused | None:
    """Why the settings forbid the operation to the actor. None if they do not."""
    if actor.is_person:
        return _refusal_for_person(actor, operation, settings, full_name, verbs)
    if not RULES[operation].narrows:
        return None
    role: str = getattr(settings.agents, operation)
    if role == NOBODY:
        return Refused(
            "forbidden",
            f"{full_name} allows no agent to call {operation}. Ask a person to do it, or to change "
            f"`agents.{operation}` in {PATH}. Nothing was changed.",
            **_missing(actor, operation, None),
        )
    if role in ROLES and actor.may(role):
        return None
    return Refused(
        "forbidden",
        f"In {full_name} {operation} needs the role {role} (`agents.{operation}` in {PATH}); "
        f"{actor.name} has {actor.role}. Nothing was changed.",
        **_missing(actor, operation, role),
    )


def _refusal_for_person(
    actor: Actor,
    operation: str,
    settings: RepositorySettings,
    full_name: str,
    verbs: frozenset[str],
) -> Refused | None:
    for verb in sorted(verbs):
        permission = settings.permissions.permission_for(verb)
        role = ROLE_OF_PERMISSION[permission]
        if not actor.may(role):
            return _verb_error(actor, operation, full_name, verb, permission)
    return None


def _verb_error(
    actor: Actor, operation: str, full_name: str, verb: str, permission: Permission
) -> Refused:
    return Refused(
        "forbidden",
        f"In {full_name} this needs the permission {permission} (`permissions.{verb}` in {PATH}). "
        "Nothing was changed.",
        **_missing(actor, operation, ROLE_OF_PERMISSION[permission]),
    )


def _missing(actor: Actor, operation: str, role: str | None) -> dict[str, object]:
    return permissions.missing(actor, operation) | {"needs": role, "condition": "any"}
