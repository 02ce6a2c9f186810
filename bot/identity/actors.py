"""Actors: agents and people, with their roles."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, get_args

from store.engine import origins
from store.engine.reach import Reach
from store.tables.agents import Role

# Each role may do all that the roles before it may.
ROLES: tuple[Role, ...] = get_args(Role)

# A person's role, by their permission on the repository (GitHub's role names).
ROLE_OF_PERMISSION: dict[str, Role] = {
    "admin": "tech-lead",
    "maintain": "tech-lead",
    "write": "developer",
    "triage": "tester",
    "read": "observer",
}


def is_at_least(held: Role, role: Role) -> bool:
    """Whether who has the one role has the other one too."""
    return ROLES.index(held) >= ROLES.index(role)


# The actor of what Hubbub does by itself. No agent can have this id.
BOT = origins.BOT
# Who runs the commands on the server's machine that need no token, and the page by `hubbub link`.
OPERATOR = "operator"
# GitHub's author associations of people who belong to the repository.
TRUSTED = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
# The pattern of an agent's id.
SLUG = r"[a-z0-9][a-z0-9-]{0,62}"
# Slugs that cannot be an agent's id, because messages use them as recipients.
EVERYBODY, HOLDER = "everybody", "holder"
NO_AGENTS = {
    EVERYBODY: "a message to it is for all agents",
    HOLDER: "a message to it is for whoever holds the task",
}

# How the ids of jobs of GitHub Actions begin, which get them by their workflow or run.
ACTIONS = "actions-"
# Such an id: with a number of GitHub, or with a template and the end of the id of an agent run.
OF_JOB = re.compile(rf"{ACTIONS}([0-9].*|[a-z][a-z0-9-]*-[0-9abcdefghjkmnpqrstvwxyz]{{6,20}})")
# How the names of plug-ins begin as actors. No agent's id has a slash.
PLUGIN = "plugin/"
# How the ids of agents begin that GitHub hosts, such as Copilot.
HOSTED = "hosted-"


def is_hosted(name: str | None) -> bool:
    return name is not None and name.startswith(HOSTED)


def why_no_agent(agent_id: str) -> str | None:
    """Why nobody can be given a token for an agent with this id. None if it is possible."""
    if OF_JOB.fullmatch(agent_id):
        return f"such ids, which begin with {ACTIONS}, belong to jobs of GitHub Actions"
    if is_hosted(agent_id):
        return f"ids that begin with {HOSTED} belong to agents that GitHub hosts"
    if agent_id == OPERATOR:
        return "the audit calls the person who runs Hubbub so"
    return NO_AGENTS.get(agent_id)


# The installation and the name, which tell actors apart.
ActorKey: TypeAlias = tuple[int, str]


@dataclass(frozen=True)
class Actor:
    """An agent or a person. `repositories`: those it may use; None: all of the installation.

    `role`: the role outside of repositories, and without `roles` the one in all of them.
    """

    installation_id: int
    name: str
    role: Role
    repositories: frozenset[int] | None = None
    # The id of the API key or session with which it acts.
    credential: str = ""
    # A person's roles by repository; an agent has its role in all of them.
    roles: Mapping[int, Role] | None = field(default=None, hash=False)
    # When its token ends, in microseconds UTC, and its connections with it. None: never.
    until: int | None = field(default=None, compare=False)
    # GitHub's id of the person, if it is one.
    person_id: int | None = None

    @property
    def key(self) -> ActorKey:
        return self.installation_id, self.name

    @property
    def key_in_reach(self) -> ActorKey:
        """Another one for each reach of an agent's tokens: none learns what another one got."""
        if self.repositories is None or self.is_person:
            return self.key
        return self.installation_id, f"{self.name} {sorted(self.repositories)}"

    @property
    def is_person(self) -> bool:
        """Whether it is a person: by a GitHub login, or the one who runs this server."""
        return self.name.startswith("@") or self.name == OPERATOR

    @property
    def known_repositories(self) -> Reach:
        """Those of which it may know, also if its role there is too low for the call."""
        return self.repositories if self.roles is None else self.roles.keys()

    @property
    def is_plugin(self) -> bool:
        """Whether it is a plug-in, which needs no registration and gets no messages."""
        return self.name.startswith(PLUGIN)

    def may(self, role: Role, repository_id: int | None = None) -> bool:
        """Whether it has this role, or a higher one, in the repository or outside of them."""
        held = self.role if repository_id is None else self.role_in(repository_id)
        return is_at_least(held, role)

    def may_somewhere(self, role: Role) -> bool:
        """Whether it has this role in any repository or outside of them."""
        return self.may(role) or any(self.may(role, each) for each in self.roles or ())

    def role_in(self, repository_id: int) -> Role:
        """The role in this repository, which the actor must be able to reach."""
        return self.role if self.roles is None else self.roles.get(repository_id, ROLES[0])

    def for_role(self, role: Role) -> "Actor":
        """The actor with those repositories alone in which it has this role."""
        if self.roles is None:
            return self
        return replace(self, repositories=frozenset(r for r in self.roles if self.may(role, r)))

    @property
    def is_bound(self) -> bool:
        """Whether it acts in some repositories alone, so that its role counts only there."""
        return self.repositories is not None and self.roles is None


def person(
    installation_id: int,
    login: str,
    permission: str,
    repository_id: int,
    person_id: int | None = None,
) -> Actor | None:
    """The actor for a GitHub login with a permission; None without a permission."""
    role = ROLE_OF_PERMISSION.get(permission)
    if role is None:
        return None
    reach = frozenset({repository_id})
    return Actor(installation_id, f"@{login}", role, reach, person_id=person_id)


def person_with_roles(
    installation_id: int,
    login: str,
    roles: Mapping[int, Role],
    all_repositories: Collection[int],
    credential: str = "",
) -> Actor:
    """The actor for a person who is logged in. `all_repositories`: those of the installation.

    What belongs to no repository counts for all of them: agents, messages and budgets. So there a
    person is a tech-lead only if they are one in every repository.
    """
    highest = max(roles.values(), key=ROLES.index, default=ROLES[0])
    if highest == ROLES[-1] and any(roles.get(each) != highest for each in all_repositories):
        highest = ROLES[-2]
    return Actor(installation_id, f"@{login}", highest, frozenset(roles), credential, roles)
