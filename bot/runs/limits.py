"""What a run may still use, together with all runs above and below it. Pure.

A limit holds for a run and everything below it, so what is left of a run is the least that is left
of it and of any run above it. A new run gets at most that.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from bot.errors import Refused
from bot.quotas.money import amount, micros
from bot.repository.run_settings import RunLimits
from bot.times import MINUTE
from store.runs import runs
from store.runs.runs import Used
from store.tables.runs import AgentRunRow

NOTHING = Used(tokens=0, cost=0)


@dataclass(frozen=True)
class Limits:
    """As in the columns of a run. None: no limit. `cost` is in millionths of the currency."""

    minutes: int | None = None
    children: int | None = None
    deepest: int | None = None
    tokens: int | None = None
    cost: int | None = None

    def within(self, other: "Limits") -> "Limits":
        """The lower one of each."""
        names = [each.name for each in fields(self)]
        return Limits(**{each: _lower(getattr(self, each), getattr(other, each)) for each in names})


def _lower(one: int | None, other: int | None) -> int | None:
    return min((each for each in (one, other) if each is not None), default=None)


def of_template(given: RunLimits, depth: int) -> Limits:
    """The limits that a template sets for a run at this depth."""
    cost = micros(given.cost) if given.cost else None
    return Limits(given.minutes, given.children, depth + given.depth, given.tokens, cost)


def of_run(run: AgentRunRow) -> Limits:
    return Limits(run["minutes"], run["children"], run["deepest"], run["tokens"], run["cost"])


def left_of(
    everybody: Sequence[AgentRunRow], run: AgentRunRow, used: Mapping[str, Used], now: int
) -> Limits:
    """What is left for the run and all below it.

    `everybody`: all runs of its tree. `used`: what the agents reported, by agent.
    """
    found = Limits()
    for each in _and_above(everybody, run):
        found = found.within(_own_rest(everybody, each, used, now))
    return found


def _and_above(everybody: Sequence[AgentRunRow], run: AgentRunRow) -> Iterator[AgentRunRow]:
    """The run, its parent, and so on up to the root."""
    by_id = {each["id"]: each for each in everybody}
    above: AgentRunRow | None = run
    while above is not None:
        yield above
        above = by_id.get(above["parent_id"]) if above["parent_id"] else None


def _own_rest(
    everybody: Sequence[AgentRunRow], run: AgentRunRow, used: Mapping[str, Used], now: int
) -> Limits:
    """What is left of the run's own limits."""
    own, subtree = of_run(run), runs.below(everybody, run["id"])
    spent = [used.get(each["agent_id"], NOTHING) for each in subtree]
    return Limits(
        _minutes_left(run, now),
        None if own.children is None else own.children - (len(subtree) - 1),
        own.deepest,
        None if own.tokens is None else own.tokens - sum(each["tokens"] for each in spent),
        None if own.cost is None else own.cost - sum(each["cost"] for each in spent),
    )


def _minutes_left(run: AgentRunRow, now: int) -> int | None:
    """Whole minutes until the run must end. They count from its start."""
    if run["deadline_at"] is None:
        return run["minutes"]
    # Runs below an ended one have their own time.
    return (run["deadline_at"] - (run["ended_at"] or now)) // MINUTE


def highest_over(
    everybody: Sequence[AgentRunRow], run: AgentRunRow, used: Mapping[str, Used], now: int
) -> tuple[AgentRunRow, str] | None:
    """The highest run, of this one and those above it, that goes beyond a limit on use, and why.

    It may have ended: its limits hold for what it started as long as that runs.
    """
    for each in reversed(list(_and_above(everybody, run))):
        if why := _why_over(_own_rest(everybody, each, used, now), each):
            return each, why
    return None


def _why_over(rest: Limits, run: AgentRunRow) -> str | None:
    if rest.tokens is not None and rest.tokens < 0:
        return f"{run['id']} and the runs below it used more than its {run['tokens']} tokens"
    if rest.cost is not None and rest.cost < 0:
        cost = amount(run["cost"] or 0)
        return f"{run['id']} and the runs below it cost more than its limit of {cost}"
    return None


def for_child(wanted: Limits, left: Limits, depth: int) -> Limits:
    """The limits of a new run at this depth: as wanted, but at most what is left. Raise Refused."""
    if left.deepest is not None and depth > left.deepest:
        raise _refusal(
            "depth",
            f"its level would be {depth}, and the deepest that is allowed is {left.deepest}",
        )
    if left.children is not None and left.children < 1:
        raise _refusal("children", "as many runs as allowed were started below it, or above it")
    if left.minutes is not None and left.minutes < 1:
        raise _refusal("minutes", "less than a minute of its time is left")
    if left.tokens is not None and left.tokens < 1:
        raise _refusal("tokens", "its tokens, or those of a run above it, are used up")
    if left.cost is not None and left.cost < 1:
        raise _refusal("cost", f"{amount(max(0, left.cost))} of its money is left")
    # The new run is one of those that its parent may have below it.
    rest = None if left.children is None else left.children - 1
    return wanted.within(Limits(left.minutes, rest, left.deepest, left.tokens, left.cost))


def _refusal(which: str, why: str) -> Refused:
    return Refused(
        "run_limit",
        f"Your run may not start another one: {why} (`limits.{which}`). Do the work "
        "yourself, or report with update_agent what is left to do. Nothing was changed.",
        limit=which,
    )
