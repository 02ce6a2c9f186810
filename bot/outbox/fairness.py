"""Fair queuing: people and bookkeeping write first, then agents in turn. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.github.rate_limits import READ
from bot.github.token_buckets import Cost
from bot.identity.actors import BOT
from bot.outbox.kinds import KINDS
from store.outbox.write_order import Line, NextWrite
from store.outbox.writes import PEOPLE
from store.tables.outbox import WriteRow

# People and bookkeeping get at most three turns in a row while an agent waits.
LONGEST_STREAK = 3
# Agents leave this share of every budget to people and bookkeeping.
RESERVE = 0.2
# The bot's own writes are at most this share of an hour's writes while others wait.
OWN_SHARE = 0.2
# While the budget is short, others will wait soon in an hour with so many writes of theirs.
BUSY_HOUR = 10
# The kinds by which the bot shows something that nobody asked for.
SHOWS = ("card", "board_item", "board_status", "comment_minimize")
# What the bot shows unasked leaves this share to people and agents.
OWN_RESERVE = 0.35
# The cost of a request that nobody waits for.
SPARE = Cost(reserve=RESERVE)
# The kinds that use GraphQL. When its limit is spent, only these wait.
ON_GRAPHQL = tuple(name for name, kind in KINDS.items() if kind.resource == "graphql")


def cost(write: WriteRow) -> Cost:
    """The cost of a write's next request: only a read, if the write's outcome is unknown."""
    if write["state"] == "unknown":
        return READ
    return cost_of(write["kind"], write["lane"], write["author"])


def cost_of(name: str, lane: int, author: str = "") -> Cost:
    """The cost of sending a write of this kind."""
    kind = KINDS[name]
    reserve = 0 if lane == PEOPLE else OWN_RESERVE if shows(author, lane, name) else RESERVE
    return Cost(kind.resource, mutates=True, notifies=kind.notifies, reserve=reserve)


def is_own(write: WriteRow) -> bool:
    """Whether the bot shows what agents did. What people did, and a result, is in their lane."""
    return shows(write["author"], write["lane"], write["kind"])


def shows(author: str, lane: int, kind: str) -> bool:
    """Whether such a write shows what nobody asked for."""
    return author == BOT and lane != PEOPLE and kind in SHOWS


def must_wait(own: int, total: int, *, others_wait: bool, is_short: bool) -> bool:
    """Whether what the bot shows unasked must wait. `own` of the hour's `total` writes are its."""
    is_busy = others_wait or (is_short and total - own >= BUSY_HOUR)
    return is_busy and own + 1 > OWN_SHARE * (total + 1)


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


@dataclass(frozen=True)
class Place:
    """The place of a write in the queue.

    `kinds`: writes before it, of its author in the lane of agents, of all in the lane of people.
    `first_seq`: the number of the author's first write.
    """

    author: str
    lane: int
    kinds: Mapping[str, int]
    first_seq: int

    @property
    def before(self) -> int:
        return sum(self.kinds.values())


def sent_before(
    place: Place, lines: Sequence[Line], last_turns: Mapping[str, int], streak: int
) -> int:
    """How many writes go out before one in this place, if each takes its turn."""
    under_way = sum(each["n"] for each in lines if each["sending"])
    lines = [each for each in lines if not each["sending"]]
    people = sum(each["n"] for each in lines if each["lane"] == PEOPLE)
    agents = _queues([each for each in lines if each["lane"] != PEOPLE])
    if place.lane == PEOPLE:
        turns = (streak + place.before) // LONGEST_STREAK
        total = sum(n for n, _ in agents.values())
        return under_way + place.before + min(turns, total)
    mine = (last_turns.get(place.author, 0), place.first_seq)
    before = place.before
    for author, (n, first_seq) in agents.items():
        if author != place.author:
            is_earlier = (last_turns.get(author, 0), first_seq) < mine
            before += min(n, place.before + is_earlier)
    return under_way + before + min(people, max(0, LONGEST_STREAK * (before + 1) - streak))


def _queues(lines: Sequence[Line]) -> dict[str, tuple[int, int]]:
    """How many writes each author has, and the number of the first."""
    found: dict[str, tuple[int, int]] = {}
    for each in lines:
        n, first = found.get(each["author"], (0, each["first_seq"]))
        found[each["author"]] = (n + each["n"], min(first, each["first_seq"]))
    return found


def notifying(kinds: Mapping[str, int]) -> int:
    """How many of these writes notify people."""
    return sum(n for kind, n in kinds.items() if kind in KINDS and KINDS[kind].notifies)


def notifying_share(lines: Sequence[Line]) -> float:
    """The share of the waiting writes that notify people."""
    total = sum(each["n"] for each in lines)
    return sum(notifying({each["kind"]: each["n"]}) for each in lines) / total if total else 0.0


def _seq(row: NextWrite) -> int:
    return int(row["seq"])
