"""Checks and stores what a person sets of an agent's endpoint."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from bot.agents import team_control
from bot.errors import Refused
from bot.identity.actors import why_no_agent
from bot.identity.keyring import Broken
from bot.kernel import argument_errors
from bot.kernel.operation import Context
from bot.messages import newcomers
from bot.notifications.targets import SECRET, new_secret
from bot.operations.agents.endpoint_protocols import (
    check_added,
    options_of,
    plugin_options,
    protocol_of,
    split,
)
from bot.protocols import addresses
from bot.protocols.addresses import Address
from bot.protocols.routing import ROUTES
from bot.tool_servers.addresses import check_web
from store.agents import agents
from store.protocols import endpoints
from store.tables.agents import Role
from store.tables.protocols import AgentEndpointRow, Protocol

# Bytes of the secret of callbacks.
SHORTEST_SECRET = 24
KNOWN = "a2a, openai, callback, or plugin/PLUGIN__PROTOCOL"


@dataclass(frozen=True)
class Wanted:
    """`protocol`: of a plug-in as `plugin/PLUGIN__PROTOCOL`."""

    protocol: str | None
    url: str | None
    secret: str | None
    options: dict[str, Any] | None
    role: Role


async def put(ctx: Context, agent_id: str, wanted: Wanted) -> tuple[AgentEndpointRow, str | None]:
    """Store the endpoint: its row, and a secret that was made for it. Raise Refused."""
    old = await endpoints.get(ctx.tx, ctx.installation_id, agent_id, lock=True)
    name = wanted.protocol or (protocol_of(old) if old else None)
    if name is None:
        raise Refused("invalid_arguments", f"Pass `protocol`: {KNOWN}.")
    # What belongs to another protocol does not count.
    same = old if old and protocol_of(old) == name else None
    protocol, added = split(name)
    if added:
        await check_added(ctx, added)
    address, made = _address(ctx, protocol, same, wanted)
    if not added:
        check_web(address.url, ctx.shared.trusted_origins)
    options = _options(protocol, added, same, wanted).model_dump(mode="json")
    await _check_room(ctx, old)
    await _register(ctx, agent_id, wanted.role, protocol)
    row = _row(ctx, agent_id, protocol, address, options)
    if old is not None:
        row |= {"due_at": old["due_at"], "taken_until": old["taken_until"]}
    await endpoints.put(ctx.tx, row)
    return row, made


def _address(
    ctx: Context, protocol: Protocol, old: AgentEndpointRow | None, wanted: Wanted
) -> tuple[Address, str | None]:
    """The address and the secret, as far as it was left out the one before. Raise Refused."""
    before = _address_before(ctx, old) if old else None
    url = wanted.url or (before.url if before else "")
    if not url and protocol != "plugin":
        raise Refused("invalid_arguments", "Pass `url`: the address at which the agent is reached.")
    # The secret belongs to the address: another one must not get it.
    same = before if before and before.url == url else None
    secret = wanted.secret or (same.secret if same else "")
    if protocol != "callback":
        return Address(url, secret), None
    if not secret:
        made = new_secret()
        return Address(url, made), made
    _check_signs(secret)
    return Address(url, secret), None


def _address_before(ctx: Context, old: AgentEndpointRow) -> Address | None:
    try:
        return addresses.address_of(ctx.shared.keys, old)
    except Broken:
        return None


def has_secret(ctx: Context, row: AgentEndpointRow) -> bool:
    found = _address_before(ctx, row)
    return found is not None and bool(found.secret)


def _check_signs(secret: str) -> None:
    """Raise Refused."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET) or len(key) < SHORTEST_SECRET:
        raise Refused(
            "invalid_arguments",
            f"`secret`: pass {SECRET} and at least {SHORTEST_SECRET} bytes in base64, or leave it "
            "out: then Hubbub makes one and shows it once.",
        )


def _options(
    protocol: Protocol, added: str, old: AgentEndpointRow | None, wanted: Wanted
) -> BaseModel:
    """Raise Refused."""
    before = options_of(old) if old else {}
    given = before if wanted.options is None else wanted.options
    if added:
        return plugin_options(added, given)
    model = ROUTES[protocol].options
    try:
        return model.model_validate(given)
    except ValidationError as exc:
        problems = argument_errors.problems(exc, given, model)
        first = "; ".join(f"`options.{each}` {why}" for each, why in problems.items())
        raise Refused(
            "invalid_arguments",
            f"{first}.",
            errors=[{"argument": f"options.{k}", "problem": v} for k, v in problems.items()],
        ) from exc


async def _check_room(ctx: Context, old: AgentEndpointRow | None) -> None:
    """Raise Refused."""
    found = [] if old else await endpoints.all_of(ctx.tx, ctx.installation_id)
    if len(found) >= endpoints.MOST:
        raise Refused(
            "too_many",
            f"This installation has {endpoints.MOST} endpoints, which is the limit. Remove one.",
            most=endpoints.MOST,
        )


async def _register(ctx: Context, agent_id: str, role: Role, protocol: Protocol) -> None:
    """Register the agent if nobody has: it may call nothing by itself. Raise Refused."""
    found = await agents.get(ctx.tx, ctx.installation_id, agent_id)
    if found is not None and found["left_at"] is None:
        return
    if why := why_no_agent(agent_id):
        raise Refused("invalid_arguments", f"{agent_id!r} cannot be an agent's id, because {why}.")
    here = {"installation_id": ctx.installation_id, "id": agent_id}
    times = {"registered_at": ctx.now, "last_active_at": ctx.now}
    row = {**here, "name": agent_id, "system_name": protocol, "role": role, **times}
    await agents.lock_or_add(ctx.tx, row)
    await agents.change(
        ctx.tx, ctx.installation_id, [agent_id], role=role, last_active_at=ctx.now, left_at=None
    )
    await team_control.record(ctx, agent_id, "registered")
    has: list[str] = found["capabilities"] if found else []
    await newcomers.deliver_missed(ctx.tx, ctx.installation_id, agent_id, role, has)


def _row(
    ctx: Context, agent_id: str, protocol: Protocol, address: Address, options: dict[str, Any]
) -> AgentEndpointRow:
    return {
        "installation_id": ctx.installation_id,
        "agent_id": agent_id,
        "protocol": protocol,
        "shown": addresses.visible_part(address.url),
        "sealed": addresses.seal(ctx.shared.keys, ctx.installation_id, agent_id, address),
        "options": options,
        "state": "active",
        "why": None,
        "failures": 0,
        "due_at": None,
        "taken_until": 0,
        "last_success_at": None,
        "last_failure_at": None,
        "created_by": ctx.actor.name[:120],
        "created_at": ctx.now,
        "updated_at": ctx.now,
    }
