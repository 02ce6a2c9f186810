"""Who acts, and what their role lets them do."""

from dataclasses import dataclass
from typing import get_args

from store.tables.agents import Role

# From the least to the most: each may do what those before it may.
ROLES: tuple[Role, ...] = get_args(Role)

# A person's role, by their permission on the repository (GitHub's role names).
ROLE_OF_PERMISSION: dict[str, Role] = {
    "admin": "tech-lead",
    "maintain": "tech-lead",
    "write": "developer",
    "triage": "tester",
    "read": "observer",
}


# Who acts when nobody asked: no agent can have this id.
BOT = "hubbub[bot]"
# Whom GitHub counts among a repository's own people, at the time of a text.
TRUSTED = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
# What an agent's id looks like.
SLUG = r"[a-z0-9][a-z0-9-]{0,62}"
# Slugs that are no agent's id: a message to them is for others.
EVERYBODY, HOLDER = "everybody", "holder"
NO_AGENTS = {
    EVERYBODY: "a message to it is for all agents",
    HOLDER: "a message to it is for whoever holds the task",
}


@dataclass(frozen=True)
class Actor:
    """An agent, or a person. `repositories` None reaches all of the installation's."""

    installation_id: int
    name: str
    role: Role
    repositories: frozenset[int] | None = None

    @property
    def is_person(self) -> bool:
        return self.name.startswith("@")

    def may(self, role: Role) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


def person(installation_id: int, login: str, permission: str, repository_id: int) -> Actor | None:
    """Somebody on GitHub, by login and permission; None for those without any."""
    role = ROLE_OF_PERMISSION.get(permission)
    if role is None:
        return None
    return Actor(installation_id, f"@{login}", role, frozenset({repository_id}))
