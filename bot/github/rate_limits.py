"""GitHub's limits as values: what an answer says about them, and when the next request may go.

Source: docs.github.com, "Rate limits for the REST API". Times are microseconds UTC.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bot.github import token_buckets
from bot.github.token_buckets import CONTENT, Cost
from bot.times import SECOND

# GitHub asks for a second between mutations, in series; its own clients keep three between those
# that notify people.
MUTATION_SPACING = SECOND
NOTIFYING_SPACING = 3 * SECOND
# GitHub said wait, and not how long: at least a minute, then exponentially more.
FIRST_WAIT = 60 * SECOND
LONGEST_WAIT = 3600 * SECOND
# It closes every resource of the installation, so it is a budget of its own.
SECONDARY = "secondary"
# Older Enterprise servers call it abuse.
SECONDARY_WORDS = re.compile(r"\bsecondary rate\b|\babuse detection\b", re.IGNORECASE)
LIMIT_WORDS = re.compile(r"\brate[ _]limit(ed)?\b|\babuse detection\b", re.IGNORECASE)
GRAPHQL_WORDS = re.compile(
    r"RATE_LIMITED\b|(API rate limit (already )?exceeded|You have exceeded a secondary rate limit)"
)
NUMBER = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class Budget:
    """One of GitHub's buckets, as its last answer told. Unknown is None.

    `failures`: how often in a row GitHub said wait without saying how long.
    """

    resource: str
    limit: int | None = None
    remaining: int | None = None
    used: int | None = None
    reset_at: int | None = None
    blocked_until: int = 0
    failures: int = 0


def limited(status: int, headers: Mapping[str, str], message: str) -> bool:
    """Whether GitHub said wait, and not no."""
    headers = _lower(headers)
    said = LIMIT_WORDS.search(message) is not None
    if status == 200:
        # Only GraphQL says it so, in the first words: others may quote what somebody wrote.
        graphql = headers.get("x-ratelimit-resource") == "graphql"
        return graphql and GRAPHQL_WORDS.match(message) is not None
    spent = _number(headers, "x-ratelimit-remaining") == 0
    return status == 429 or (status == 403 and (said or spent or "retry-after" in headers))


def observed(
    known: Iterable[Budget], status: int, headers: Mapping[str, str], message: str, now: int
) -> list[Budget]:
    """The budgets that an answer changes: its resource's, and that of the secondary limits."""
    resource = _lower(headers).get("x-ratelimit-resource", "core")
    by_name = {each.resource: each for each in known}
    before = [by_name.get(name, Budget(name)) for name in (resource, SECONDARY)]
    after = [observe(each, status, headers, message, now) for each in before]
    return [new for old, new in zip(before, after, strict=True) if new != old]


def observe(
    budget: Budget, status: int, headers: Mapping[str, str], message: str, now: int
) -> Budget:
    """The budget after an answer for its resource; the secondary one takes every answer."""
    headers = _lower(headers)
    if budget.resource != SECONDARY:
        budget = _counted(budget, headers)
    if not limited(status, headers, message):
        return replace(budget, failures=0) if status < 400 else budget
    if budget.resource == SECONDARY:
        told = _number(headers, "retry-after")
        until = None if told is None else now + max(told, 1) * SECOND
        return _blocked(budget, until, now) if _secondary(headers, message) else budget
    if _number(headers, "x-ratelimit-remaining") != 0 or SECONDARY_WORDS.search(message):
        return budget
    # By a clock that is ahead of GitHub's the reset may be over already.
    reset = budget.reset_at or 0
    return _blocked(budget, reset + SECOND if reset > now else None, now)


@dataclass(frozen=True)
class Limits:
    """All that decides when an installation's next request may go out.

    `full_at`: its allowances, by name. `last_mutation_at`, `last_notified_at`: 0 for never.
    """

    known: tuple[Budget, ...] = ()
    full_at: Mapping[str, int] = field(default_factory=dict)
    last_mutation_at: int = 0
    last_notified_at: int = 0


READ = Cost()


def ready_at(limits: Limits, cost: Cost, now: int) -> int:
    """The earliest time at which an installation's request of this cost may go out."""
    times = [now, token_buckets.ready_at(limits.full_at, cost, now)]
    if cost.mutates and limits.last_mutation_at:
        times.append(limits.last_mutation_at + MUTATION_SPACING)
    if cost.notifies and limits.last_notified_at:
        times.append(limits.last_notified_at + NOTIFYING_SPACING)
    for each in limits.known:
        if each.resource in (cost.resource, SECONDARY):
            times += [_open_at(each, now), _reserved_until(each, cost.reserve, now)]
    return max(times)


def expected_at(limits: Limits, cost: Cost, ahead: int, now: int) -> int:
    """When a write should go out that has `ahead` others before it."""
    spacing = NOTIFYING_SPACING if cost.notifies else MUTATION_SPACING
    content = limits.full_at.get(CONTENT.name, 0)
    return max(
        ready_at(limits, cost, now) + ahead * spacing,
        CONTENT.ready_at(content, now, ahead + 1, cost.reserve),
    )


def spare_at(known: Iterable[Budget], now: int, share: float) -> int:
    """The earliest time for what may wait: it leaves the rest of each hour's limit to others."""
    return max([now, *(_reserved_until(each, 1 - share, now) for each in known)])


def _reserved_until(budget: Budget, reserve: float, now: int) -> int:
    """What is left of an hour's limit may be for others: then until it is whole again."""
    if not reserve or budget.limit is None or budget.remaining is None:
        return now
    reset = budget.reset_at or 0
    return reset + SECOND if reset >= now and budget.remaining <= budget.limit * reserve else now


def _open_at(budget: Budget, now: int) -> int:
    """One that is spent opens when it is filled again, whether or not GitHub had to say wait."""
    spent = budget.remaining == 0 and budget.reset_at is not None and budget.reset_at >= now
    return max(budget.blocked_until, (budget.reset_at or 0) + SECOND if spent else 0)


def _secondary(headers: Mapping[str, str], message: str) -> bool:
    """Of an answer that says wait: not, or not only, because its resource is spent."""
    return (
        SECONDARY_WORDS.search(message) is not None
        or "retry-after" in headers
        or _number(headers, "x-ratelimit-remaining") != 0
    )


def _blocked(budget: Budget, until: int | None, now: int) -> Budget:
    if until is None:
        until = now + min(FIRST_WAIT << budget.failures, LONGEST_WAIT)
        budget = replace(budget, failures=min(budget.failures + 1, 16))
    return replace(budget, blocked_until=max(budget.blocked_until, until))


def _counted(budget: Budget, headers: Mapping[str, str]) -> Budget:
    reset = _number(headers, "x-ratelimit-reset")
    if reset is None:
        return budget
    return replace(
        budget,
        limit=_number(headers, "x-ratelimit-limit"),
        remaining=_number(headers, "x-ratelimit-remaining"),
        used=_number(headers, "x-ratelimit-used"),
        reset_at=reset * SECOND,
    )


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _number(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name, "").strip()
    return int(value) if NUMBER.fullmatch(value) else None
