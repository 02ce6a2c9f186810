"""Gates: who may decide one, when it is decided, and what people read. Pure functions.

A gate is a step that nobody works on. Its task is on hold until enough of those whom the step names
have approved it, or somebody rejects it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.identity.actors import ROLE_OF_PERMISSION, is_at_least, is_hosted
from bot.workflows.definitions.definition import Gate
from store.tables.agents import Role

Decision: TypeAlias = Literal["approved", "rejected"]
# The lowest permission on the repository of people who may decide.
PERMISSION_OF = {"maintainers": "maintain", "writers": "write", "agents": "write"}
MADE_IT = "you worked on a step that it needs"
NOUNS = {
    "maintainers": ("a maintainer", "maintainers"),
    "writers": ("somebody with write permission", "people with write permission"),
}


@dataclass(frozen=True)
class Voter:
    """`name`: an agent's id, or a person's @login. `role`: in the repository of the gate.

    `is_maker`: it worked on a step that the gate needs.
    """

    name: str
    role: Role
    is_person: bool
    capabilities: frozenset[str] = frozenset()
    is_maker: bool = False


@dataclass(frozen=True)
class Vote:
    voter: str
    approves: bool
    note: str = ""

    @property
    def by_person(self) -> bool:
        return self.voter.startswith("@")


def refusal(gate: Gate, voter: Voter) -> str | None:
    """Why this voter may not decide the gate: what continues "because". None if it may."""
    if gate.by == "agents" and not voter.is_person:
        return _refusal_of_agent(gate, voter)
    if not voter.is_person:
        return "people decide it, and you are an agent"
    if isinstance(gate.by, str):
        needed = ROLE_OF_PERMISSION[PERMISSION_OF[gate.by]]
        has = is_at_least(voter.role, needed)
        return None if has else f"it needs the permission {PERMISSION_OF[gate.by]} or a higher one"
    named = {each.removeprefix("@").casefold() for each in gate.by}
    is_named = voter.name.removeprefix("@").casefold() in named
    return None if is_named else "the step does not name you"


def _refusal_of_agent(gate: Gate, voter: Voter) -> str | None:
    if is_hosted(voter.name):
        return "agents that GitHub hosts do not vote"
    if voter.is_maker:
        return MADE_IT
    missing = [each for each in gate.capability if each not in voter.capabilities]
    return f"you have not registered {', '.join(missing)}" if missing else None


def decision(gate: Gate, votes: Sequence[Vote]) -> Decision | None:
    """How the votes decide, one for each voter. None: more are needed.

    A person's rejection decides at once. At a gate of agents, so does a person's approval.
    """
    people = [each for each in votes if each.by_person]
    if any(not each.approves for each in people):
        return "rejected"
    if gate.by == "agents" and people:
        return "approved"
    approvals = sum(each.approves for each in votes)
    if approvals >= gate.quorum:
        return "approved"
    return "rejected" if len(votes) - approvals >= gate.quorum else None


def deciders(gate: Gate) -> str:
    """Who must approve, in words: `2 maintainers`."""
    n = gate.quorum
    if gate.by == "agents":
        able = f" who can do {', '.join(gate.capability)}" if gate.capability else ""
        return (f"{n} agents" if n > 1 else "an agent") + able
    if isinstance(gate.by, str):
        one, several = NOUNS[gate.by]
        return one if n == 1 else f"{n} {several}"
    names = [f"@{each.removeprefix('@')}" for each in gate.by]
    if len(names) == n:
        return " and ".join(names)
    return f"{'one' if n == 1 else n} of {', '.join(names)}"


def hold_reason(gate: Gate) -> str:
    """Why the task of a gate that can be decided is on hold. People read it on the card."""
    return f"waits for the approval of {deciders(gate)}"
