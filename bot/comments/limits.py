"""The limits on comments on one issue, and the test for a loop of two agents. Pure functions."""

from collections.abc import Sequence

HOUR = 3600 * 1_000_000
# Comments on an issue. GitHub accepts 2,500; the rest is room for people.
MOST_COMMENTS = 1000
# Hubbub's comments on one issue in an hour: by all agents, by one agent, answers to commands.
MOST_AN_HOUR = 60
MOST_OF_ONE = 30
MOST_ANSWERS_AN_HOUR = 20
# After so many exchanges between two agents, with nobody else in between, Hubbub stops them.
EXCHANGES = 6
# How far back, and at how many comments, the test for a loop looks.
LATELY = 6 * HOUR
RECENT = 2 * EXCHANGES + 8


def exchange(parties: Sequence[str]) -> tuple[str, str] | None:
    """The two agents that only answer each other, or None.

    `parties` are the authors, newest first. A person is an empty string, and ends a loop.
    """
    last = list(parties[: 2 * EXCHANGES])
    if len(last) < 2 * EXCHANGES or "" in last:
        return None
    first, second = last[0], last[1]
    alternating = all(each == (first, second)[n % 2] for n, each in enumerate(last))
    return (min(first, second), max(first, second)) if alternating and first != second else None
