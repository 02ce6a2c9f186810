"""Which agent gets a ready step first: a decision on values, and its reason in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.quotas.money import amount

Criterion: TypeAlias = Literal["capability", "success", "load", "price"]
CRITERIA: tuple[Criterion, ...] = ("capability", "success", "load", "price")
# How many shares of success differ. With finer ones nearly every agent would differ from every
# other one, and the later criteria would never decide.
TENTHS = 10


@dataclass(frozen=True)
class Candidate:
    """An agent that is here and could claim the task now.

    `spare`: how many of its capabilities the task does not need. `holds`: the tasks that it holds
    or that are reserved for it. `done` and `failed`: tasks such as this one; `all_done` and
    `all_failed`: any. `price`: the cost that it reported per completed task, in millionths.
    `had_it`: whether it held this task last and did not complete it.
    """

    agent_id: str
    spare: int = 0
    holds: int = 0
    done: int = 0
    failed: int = 0
    all_done: int = 0
    all_failed: int = 0
    price: int | None = None
    had_it: bool = False


@dataclass(frozen=True)
class Ranked:
    agent_id: str
    why: str


def rank(prefer: Sequence[Criterion], candidates: Sequence[Candidate]) -> list[Ranked]:
    """The candidates, best first. The criteria count in their order; then the id decides."""
    order = sorted(candidates, key=lambda each: _key(prefer, each))
    return [Ranked(each.agent_id, reason(each)) for each in order]


def _key(prefer: Sequence[Criterion], each: Candidate) -> tuple[float | str, ...]:
    # Who gave the task back, or lost it, comes last by any policy.
    return (each.had_it, *(KEYS[name](each) for name in prefer), each.agent_id)


def _success(each: Candidate) -> float:
    """The less, the better: the share of such tasks that failed, in tenths.

    An agent with few such tasks is judged by all its tasks too, and a new one is neither good nor
    bad.
    """
    failed_of_all = (each.all_failed + 1) / (each.all_done + each.all_failed + 2)
    failed = (each.failed + 2 * failed_of_all) / (each.done + each.failed + 2)
    return round(failed * TENTHS)


def _price(each: Candidate) -> float:
    return float("inf") if each.price is None else each.price


KEYS: dict[Criterion, Callable[[Candidate], float]] = {
    # Who can do little else goes first, so that those who can do more stay free.
    "capability": lambda each: each.spare,
    "success": _success,
    "load": lambda each: each.holds,
    "price": _price,
}


def reason(each: Candidate) -> str:
    """What speaks for or against the agent: "9 of 10 such tasks done, holds 0 tasks"."""
    parts = [_record(each), f"holds {each.holds} task{'' if each.holds == 1 else 's'}"]
    if each.price is not None:
        parts.append(f"{amount(each.price)} per task")
    if each.had_it:
        parts.append("had this task before")
    return ", ".join(parts)


def _record(each: Candidate) -> str:
    if tried := each.done + each.failed:
        return f"{each.done} of {tried} such tasks done"
    if tried := each.all_done + each.all_failed:
        return f"no such task yet, {each.all_done} of {tried} others done"
    return "no task yet"
