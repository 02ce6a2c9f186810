"""Fair queuing: people and bookkeeping write first, then agents in turn. Pure."""

from collections.abc import Mapping, Sequence

from bot.github.rate_limits import READ
from bot.github.token_buckets import Cost
from bot.outbox.kinds import KINDS
from store.outbox.writes import PEOPLE, NextWrite
from store.tables.outbox import WriteRow

# People and bookkeeping get at most three turns in a row while an agent waits.
LONGEST_STREAK = 3
# Agents leave this share of every budget to people and bookkeeping.
RESERVE = 0.2
# The cost of a request that nobody waits for.
SPARE = Cost(reserve=RESERVE)
# The kinds that use GraphQL. When its limit is spent, only these wait.
ON_GRAPHQL = tuple(name for name, kind in KINDS.items() if kind.resource == "graphql")


def cost(write: WriteRow) -> Cost:
    """The cost of a write's next request: only a read, if the write's outcome is unknown."""
    return READ if write["state"] == "unknown" else cost_of(write["kind"], write["lane"])


def cost_of(name: str, lane: int) -> Cost:
    """The cost of sending a write of this kind."""
    kind = KINDS[name]
    reserve = 0 if lane == PEOPLE else RESERVE
    return Cost(kind.resource, mutates=True, notifies=kind.notifies, reserve=reserve)


def in_order(
    first: Sequence[NextWrite], last_turns: Mapping[str, int], streak: int
) -> list[NextWrite]:
    """The order of turns. `first` has the first write of each author in each lane."""
    people = sorted((each for each in first if each["lane"] == PEOPLE), key=_seq)
    agents = sorted(
        (each for each in first if each["lane"] != PEOPLE),
        key=lambda each: (last_turns.get(each["author"], 0), each["seq"]),
    )
    return agents + people if streak >= LONGEST_STREAK else people + agents


def _seq(row: NextWrite) -> int:
    return int(row["seq"])
