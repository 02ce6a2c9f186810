"""Agents that GitHub hosts: by which logins they are assigned to issues and open pull requests.

GitHub starts them when a person assigns an issue to them. They do not call Hubbub, so nobody can
send them a message. Pure functions.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bot.identity.actors import HOSTED


@dataclass(frozen=True)
class HostedAgent:
    """`logins` in small letters. `system`: what `list_agents` shows."""

    system: str
    name: str
    logins: tuple[str, ...]

    @property
    def id(self) -> str:
        return HOSTED + self.system


# Webhooks and REST name some of these bots without `[bot]`: "Copilot" is an assignee and an author
# (anthropics/claude-code-action issue 1284). The mirror adds the suffix to the login of every bot.
# A login without it is a person's, who may have chosen it to look like a bot.
BUILT_IN = (
    HostedAgent(
        "copilot",
        "GitHub Copilot",
        ("copilot[bot]", "copilot-swe-agent[bot]"),
    ),
    HostedAgent(
        "claude",
        "Claude",
        ("claude[bot]", "anthropic-code-agent[bot]"),
    ),
    HostedAgent(
        "codex",
        "Codex",
        (
            "codex[bot]",
            "openai-code-agent[bot]",
            "chatgpt-codex-connector[bot]",
            "openai-codex[bot]",
        ),
    ),
)


def with_logins(more: Mapping[str, Sequence[str]]) -> list[HostedAgent]:
    """All hosted agents. `more`: logins by system, from a repository's settings."""
    added = {system: tuple(each.casefold() for each in logins) for system, logins in more.items()}
    found = [
        HostedAgent(each.system, each.name, (*each.logins, *added.pop(each.system, ())))
        for each in BUILT_IN
    ]
    return found + [HostedAgent(system, system, logins) for system, logins in added.items()]


def of_login(login: str, agents: Collection[HostedAgent]) -> HostedAgent | None:
    return next((each for each in agents if login.casefold() in each.logins), None)


def first_of(logins: Collection[str], agents: Collection[HostedAgent]) -> HostedAgent | None:
    """Who works if several are assigned: the first of the table, whatever the order of events."""
    folded = {each.casefold() for each in logins}
    return next((each for each in agents if not folded.isdisjoint(each.logins)), None)
