"""How much may be said on one issue, and when two who only answer each other are stopped: pure."""

from collections.abc import Sequence

HOUR = 3600 * 1_000_000
# Of all comments on an issue: GitHub takes 2,500, and people need room.
MOST_COMMENTS = 1000
# Of ours on one issue in an hour: agents', and answers to commands.
MOST_AN_HOUR = 60
MOST_OF_ONE = 30
MOST_ANSWERS_AN_HOUR = 20
# So often two answer each other, with nobody else in between, until they are stopped.
EXCHANGES = 6
# What is looked at for that, and how far back.
LATELY = 6 * HOUR
RECENT = 2 * EXCHANGES + 8


def exchange(parties: Sequence[str]) -> tuple[str, str] | None:
    """The two who only answer each other, or None.

    `parties`: who wrote, the newest first; empty for a person, who ends it.
    """
    last = list(parties[: 2 * EXCHANGES])
    if len(last) < 2 * EXCHANGES or "" in last:
        return None
    first, second = last[0], last[1]
    alternating = all(each == (first, second)[n % 2] for n, each in enumerate(last))
    return (min(first, second), max(first, second)) if alternating and first != second else None
