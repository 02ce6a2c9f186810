"""The rules of gates, which need no database."""

import pytest

from bot.identity.actors import ROLES
from bot.workflows.definitions.definition import Gate
from bot.workflows.gates import gates
from bot.workflows.gates.gates import Vote, Voter

MAINTAINERS = Gate(by="maintainers")
WRITERS = Gate(by="writers", quorum=2)
NAMED = Gate(by=["octocat", "hubot"])
AGENTS = Gate(by="agents", capability=["review"], quorum=2)


def person(name: str, role: str = "tech-lead") -> Voter:
    return Voter(f"@{name}", ROLES[ROLES.index(role)], is_person=True)


def agent(name: str, *capabilities: str, is_maker: bool = False) -> Voter:
    able = frozenset(capabilities)
    return Voter(name, "tech-lead", is_person=False, capabilities=able, is_maker=is_maker)


@pytest.mark.parametrize(
    ("gate", "voter", "why"),
    [
        (MAINTAINERS, person("mona"), None),
        (MAINTAINERS, person("mona", "developer"), "it needs the permission maintain or a higher"),
        (WRITERS, person("mona", "developer"), None),
        (WRITERS, person("mona", "tester"), "it needs the permission write or a higher one"),
        (NAMED, person("OctoCat", "observer"), None),
        (NAMED, person("mona"), "the step does not name you"),
        (AGENTS, person("mona", "developer"), None),
        (AGENTS, person("mona", "tester"), "it needs the permission write or a higher one"),
        (AGENTS, agent("ada", "review"), None),
        (AGENTS, agent("ada", "rust"), "you have not registered review"),
        (AGENTS, agent("ada", "review", is_maker=True), "you worked on a step that it needs"),
        (AGENTS, agent("hosted-copilot", "review"), "agents that GitHub hosts do not vote"),
        # An agent of the highest role passes no gate of people, also if it is called as one.
        (MAINTAINERS, agent("ada", "review"), "people decide it, and you are an agent"),
        (WRITERS, agent("ada", "review"), "people decide it, and you are an agent"),
        (NAMED, agent("octocat", "review"), "people decide it, and you are an agent"),
    ],
)
def test_only_those_whom_the_step_names_may_decide(gate: Gate, voter: Voter, why: str) -> None:
    found = gates.refusal(gate, voter)
    assert found is None if why is None else (found or "").startswith(why)


YES, NO = True, False


@pytest.mark.parametrize(
    ("gate", "votes", "expected"),
    [
        (MAINTAINERS, [], None),
        (MAINTAINERS, [Vote("@mona", YES)], "approved"),
        (MAINTAINERS, [Vote("@mona", NO)], "rejected"),
        (WRITERS, [Vote("@mona", YES)], None),
        (WRITERS, [Vote("@mona", YES), Vote("@hubot", YES)], "approved"),
        (WRITERS, [Vote("@mona", YES), Vote("@hubot", NO)], "rejected"),
        (AGENTS, [Vote("ada", YES)], None),
        (AGENTS, [Vote("ada", NO)], None),
        (AGENTS, [Vote("ada", YES), Vote("bob", NO)], None),
        (AGENTS, [Vote("ada", YES), Vote("bob", YES)], "approved"),
        (AGENTS, [Vote("ada", NO), Vote("bob", NO)], "rejected"),
        (AGENTS, [Vote("ada", NO), Vote("bob", YES), Vote("cid", YES)], "approved"),
        # A person's word decides a gate of agents too.
        (AGENTS, [Vote("ada", NO), Vote("@mona", YES)], "approved"),
        (AGENTS, [Vote("ada", YES), Vote("@mona", NO)], "rejected"),
    ],
)
def test_enough_approvals_pass_a_gate_and_one_rejection_of_a_person_stops_it(
    gate: Gate, votes: list[Vote], expected: str | None
) -> None:
    assert gates.decision(gate, votes) == expected


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (MAINTAINERS, "a maintainer"),
        (WRITERS, "2 people with write permission"),
        (NAMED, "one of @octocat, @hubot"),
        (Gate(by=["octocat"]), "@octocat"),
        (Gate(by=["octocat", "hubot"], quorum=2), "@octocat and @hubot"),
        (AGENTS, "2 agents who can do review"),
        (Gate(by="agents"), "an agent"),
    ],
)
def test_people_read_who_must_decide(gate: Gate, words: str) -> None:
    assert gates.hold_reason(gate) == f"waits for the approval of {words}"
