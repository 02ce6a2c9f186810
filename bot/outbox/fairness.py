"""Whose write goes next: people and bookkeeping first, then agents in turn. Pure."""

from collections.abc import Mapping, Sequence

from bot.github.rate_limits import READ
from bot.github.token_buckets import Cost
from bot.outbox.kinds import KINDS
from store.outbox.writes import PEOPLE, NextWrite
from store.tables.outbox import WriteRow

# Of four turns at most three in a row are those of people and bookkeeping.
LONGEST_STREAK = 3
# The share of every budget that agents leave to people and bookkeeping.
RESERVE = 0.2
# A request that nobody waits for.
SPARE = Cost(reserve=RESERVE)
# What a spent limit of GraphQL's holds up must not hold up the rest.
ON_GRAPHQL = tuple(name for name, kind in KINDS.items() if kind.resource == "graphql")


def cost(write: WriteRow) -> Cost:
    """Of its next request: one whose outcome is unknown is only looked for."""
    return READ if write["state"] == "unknown" else cost_of(write["kind"], write["lane"])


def cost_of(name: str, lane: int) -> Cost:
    """Of a write of this kind that was not sent yet."""
    kind = KINDS[name]
    reserve = 0 if lane == PEOPLE else RESERVE
    return Cost(kind.resource, mutates=True, notifies=kind.notifies, reserve=reserve)


def in_order(
    first: Sequence[NextWrite], last_turns: Mapping[str, int], streak: int
) -> list[NextWrite]:
    """The first write of each author and lane, in the order in which they get their turn."""
    people = sorted((each for each in first if each["lane"] == PEOPLE), key=_seq)
    agents = sorted(
        (each for each in first if each["lane"] != PEOPLE),
        key=lambda each: (last_turns.get(each["author"], 0), each["seq"]),
    )
    return agents + people if streak >= LONGEST_STREAK else people + agents


def _seq(row: NextWrite) -> int:
    return int(row["seq"])
