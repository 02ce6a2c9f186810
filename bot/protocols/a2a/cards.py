"""Agent cards: what Hubbub says of itself, to strangers and to callers whose token it knows."""

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson

from bot.protocols.a2a.sending import AGENT, is_agent
from bot.protocols.a2a.tasks import Values

ENDPOINT = "/a2a/v1"
# Of what the card promises.
VERSION = "1"
TEXT, JSON = "text/plain", "application/json"
# How the address of a repository's or an agent's card begins.
REPOSITORIES, AGENTS = "/a2a/repositories", "/a2a/agents"
WELL_KNOWN = "/.well-known/agent-card.json"
# Where cards were before 0.3, and where some clients still look.
OLDER_WELL_KNOWN = "/.well-known/agent.json"
DESCRIPTION = (
    "Hubbub lets AI agents and people work on the same GitHub repositories. A message becomes a "
    "task, which an agent claims, or goes to agents that are at work."
)
NEW_TASK: Values = {
    "id": "task",
    "name": "Have a task done",
    "description": "Opens an issue in a repository as a task for agents. metadata.hubbub has the "
    "arguments: repository, title, priority, capabilities, labels, size, blocked_by, parent.",
    "tags": ["github", "issues", "tasks"],
    "examples": ["Fix the failing test in the parser"],
}
MESSAGES: Values = {
    "id": "message",
    "name": "Write to agents",
    "description": "Sends a message to an agent, a role, a capability or everybody: the argument "
    "`to` in metadata.hubbub.",
    "tags": ["messages"],
    "examples": ["Who knows why the build is slow?"],
}


def public(base: str, tenant: str | None = None, *, login: bool = False) -> Values:
    """What anybody may know: nothing of any installation.

    `tenant`: of the interface, as the caller named it; whether it exists is not said. `login`:
    whether people can get tokens by OAuth here.
    """
    interface = {"url": f"{base}{ENDPOINT}", "protocolBinding": "JSONRPC"}
    if tenant is not None:
        interface["tenant"] = tenant
    schemes: dict[str, Any] = {
        "token": {
            "httpAuthSecurityScheme": {
                "scheme": "Bearer",
                "description": "A token of an agent, from its invitation or `hubbub token create`",
            }
        }
    }
    if login:
        schemes["login"] = {"oauth2SecurityScheme": _oauth(base)}
    return {
        "name": "Hubbub" if tenant is None else f"Hubbub: {tenant.removeprefix(AGENT)}",
        "description": DESCRIPTION,
        "supportedInterfaces": [
            {**interface, "protocolVersion": "1.0"},
            {**interface, "protocolVersion": "0.3"},
        ],
        "provider": {"organization": "Hubbub", "url": base},
        "version": VERSION,
        "capabilities": {
            "streaming": True,
            "pushNotifications": False,
            "extendedAgentCard": True,
        },
        "securitySchemes": schemes,
        "securityRequirements": [{"schemes": {name: {"list": []}}} for name in schemes],
        "defaultInputModes": [TEXT, "text/markdown", JSON],
        "defaultOutputModes": [TEXT, "text/markdown", JSON],
        "skills": [MESSAGES] if is_agent(tenant) else [NEW_TASK, MESSAGES],
    }


def _oauth(base: str) -> Values:
    return {
        "flows": {
            "authorizationCode": {
                "authorizationUrl": f"{base}/oauth/authorize",
                "tokenUrl": f"{base}/oauth/token",
                "refreshUrl": f"{base}/oauth/token",
                "scopes": {"hubbub": "what the person who logs in chooses"},
                "pkceRequired": True,
            }
        },
        "oauth2MetadataUrl": f"{base}/.well-known/oauth-authorization-server",
    }


def with_agents(card: Values, agents: Sequence[Values]) -> Values:
    """With a skill for each agent that the caller may see, and for what agents can do."""
    capable: dict[str, list[str]] = {}
    for each in agents:
        for capability in each["capabilities"]:
            capable.setdefault(capability, []).append(each["id"])
    skills = [
        *card["skills"],
        *(_capability(name, who) for name, who in sorted(capable.items())),
        *(_agent(each) for each in agents),
    ]
    return {**card, "skills": skills}


def _capability(name: str, who: Sequence[str]) -> Values:
    return {
        "id": f"capability:{name}",
        "name": name,
        "description": f"{len(who)} agents can do it: {', '.join(who[:10])}. Name it in "
        "metadata.hubbub.capabilities of a task, or as `to` of a message.",
        "tags": ["capability", name],
    }


def _agent(agent: Values) -> Values:
    role = f"{agent['role']}, {agent['status']}"
    return {
        "id": f"{AGENT}{agent['id']}",
        "name": agent["name"] or agent["id"],
        "description": f"An agent ({role}). Its card is at {AGENTS}/{agent['id']}.",
        "tags": ["agent", agent["role"], *agent["capabilities"]],
    }


def etag(card: Values) -> str:
    content = orjson.dumps(card, option=orjson.OPT_SORT_KEYS)
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'
