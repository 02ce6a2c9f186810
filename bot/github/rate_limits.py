"""GitHub's rate limits as values: what an answer says, and when to send the next request.

Source: docs.github.com, "Rate limits for the REST API". Times are microseconds UTC.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC
from email.utils import parsedate_to_datetime

from bot.github import token_buckets
from bot.github.token_buckets import CONTENT, Cost
from bot.times import SECOND

# GitHub asks clients to send mutations one after another, a second apart. Its own clients leave
# three seconds between mutations that notify people.
MUTATION_SPACING = SECOND
NOTIFYING_SPACING = 3 * SECOND
# A wait that an answer explains.
LONG_WAIT = 10 * SECOND
# When GitHub says wait but not how long, it asks for a minute at least, then exponentially more.
FIRST_WAIT = 60 * SECOND
LONGEST_WAIT = 3600 * SECOND
# A secondary limit closes every resource of the installation, so it is a budget of its own.
SECONDARY = "secondary"
# Older GitHub Enterprise Servers call a secondary limit "abuse detection".
SECONDARY_WORDS = re.compile(r"\bsecondary rate\b|\babuse detection\b", re.IGNORECASE)
LIMIT_WORDS = re.compile(r"\brate[ _]limit(ed)?\b|\babuse detection\b", re.IGNORECASE)
# A wait that GitHub asks for is at most a day. What claims more is a mistake.
MOST_WAIT_S = 24 * 3600
NUMBER = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True)
class Budget:
    """One of GitHub's rate limits, as the last answer reported it. None means unknown.

    `failures` counts how often in a row GitHub said wait without saying how long.
    """

    resource: str
    limit: int | None = None
    remaining: int | None = None
    used: int | None = None
    reset_at: int | None = None
    blocked_until: int = 0
    failures: int = 0


def is_limit(status: int, headers: Mapping[str, str], message: str) -> bool:
    """Whether an answer says wait, rather than no.

    `status` is that of `outcomes.status_of`: it is 429 if the body says that a limit is reached.
    """
    headers = _lower_case(headers)
    mentions_limit = LIMIT_WORDS.search(message) is not None
    spent = _number(headers, "x-ratelimit-remaining") == 0
    return status == 429 or (
        status == 403 and (mentions_limit or spent or "retry-after" in headers)
    )


def changed_budgets(
    known: Iterable[Budget],
    status: int,
    headers: Mapping[str, str],
    message: str,
    now: int,
    resource: str = "core",
) -> list[Budget]:
    """The budgets that an answer changes: that of its resource, and the secondary one.

    `resource` is the request's own, for an answer that does not name it.
    """
    resource = _lower_case(headers).get("x-ratelimit-resource", resource)
    by_name = {each.resource: each for each in known}
    before = [by_name.get(name, Budget(name)) for name in (resource, SECONDARY)]
    after = [budget_after(each, status, headers, message, now) for each in before]
    return [new for old, new in zip(before, after, strict=True) if new != old]


def budget_after(
    budget: Budget, status: int, headers: Mapping[str, str], message: str, now: int
) -> Budget:
    """The budget after an answer for its resource. Every answer concerns the secondary budget."""
    headers = _lower_case(headers)
    if budget.resource != SECONDARY:
        budget = _with_counts(budget, headers, now)
    if not is_limit(status, headers, message):
        return replace(budget, failures=0) if status < 400 else budget
    if budget.resource == SECONDARY:
        wait = _retry_after(headers, now)
        until = None if wait is None else now + wait
        return _with_wait(budget, until, now) if _is_secondary_limit(headers, message) else budget
    if _number(headers, "x-ratelimit-remaining") != 0 or SECONDARY_WORDS.search(message):
        return budget
    # If our clock is ahead of GitHub's, the reset may seem to be in the past.
    reset = budget.reset_at or 0
    return _with_wait(budget, reset + SECOND if reset > now else None, now)


@dataclass(frozen=True)
class Limits:
    """All that decides when an installation may send its next request.

    `full_at` has the state of its allowances, by name. `last_mutation_at` and `last_notified_at`
    are 0 for never.
    """

    known: tuple[Budget, ...] = ()
    full_at: Mapping[str, int] = field(default_factory=dict)
    last_mutation_at: int = 0
    last_notified_at: int = 0


READ = Cost()
# A read that an agent caused leaves this share of the limit to people, bookkeeping and writes.
AGENTS_READ = Cost(reserve=0.35)


def ready_at(limits: Limits, cost: Cost, now: int) -> int:
    """The earliest time at which an installation may send a request of this cost."""
    times = [now, token_buckets.ready_at(limits.full_at, cost, now)]
    if cost.mutates and limits.last_mutation_at:
        times.append(limits.last_mutation_at + MUTATION_SPACING)
    if cost.notifies and limits.last_notified_at:
        times.append(limits.last_notified_at + NOTIFYING_SPACING)
    for each in limits.known:
        if each.resource in (cost.resource, SECONDARY):
            times += [_open_at(each, now), _reserved_until(each, cost.reserve, now)]
    return max(times)


def expected_at(
    limits: Limits, cost: Cost, ahead: int, now: int, notifying: int | None = None
) -> int:
    """When Hubbub expects to send a write that has `ahead` others before it in the queue.

    `notifying`: how many of them notify people; without it all, if this one does.
    """
    if notifying is None:
        notifying = ahead if cost.notifies else 0
    # After the last that notifies, one that does not need not wait as long.
    last = 0 if cost.notifies or not notifying else NOTIFYING_SPACING - MUTATION_SPACING
    spaced = max(ahead * MUTATION_SPACING, notifying * NOTIFYING_SPACING - last)
    content = limits.full_at.get(CONTENT.name, 0)
    return max(
        ready_at(limits, cost, now) + spaced,
        CONTENT.ready_at(content, now, ahead + 1, cost.reserve),
    )


def waits_for_content(limits: Limits, cost: Cost, ahead: int, now: int) -> bool:
    """Whether the allowance for content lets the write wait longer than the spacing would."""
    content = limits.full_at.get(CONTENT.name, 0)
    spaced = now + (ahead + 1) * NOTIFYING_SPACING + LONG_WAIT
    return CONTENT.ready_at(content, now, ahead + 1, cost.reserve) > spaced


def is_short(limits: Limits, now: int) -> bool:
    """Whether less than half is left of the allowance for content, or of a limit of GitHub's."""
    content = CONTENT.remaining(limits.full_at.get(CONTENT.name, 0), now)
    return content < CONTENT.most / 2 or any(
        each.limit is not None
        and each.remaining is not None
        and (each.reset_at or 0) > now
        and each.remaining < each.limit / 2
        for each in limits.known
    )


def enough_at(limits: Limits, now: int) -> int:
    """From when half is left of the allowance for content, and of GitHub's limits."""
    content = CONTENT.ready_at(limits.full_at.get(CONTENT.name, 0), now, 0, 0.5)
    return max([content, *(_reserved_until(each, 0.5, now) for each in limits.known)])


def spare_at(known: Iterable[Budget], now: int, share: float) -> int:
    """The earliest time for a request that may use only this share of each limit."""
    return max([now, *(_reserved_until(each, 1 - share, now) for each in known)])


def _reserved_until(budget: Budget, reserve: float, now: int) -> int:
    """The reset, if all that remains of the limit is reserved for others; now otherwise."""
    if not reserve or budget.limit is None or budget.remaining is None:
        return now
    reset = budget.reset_at or 0
    return reset + SECOND if reset >= now and budget.remaining <= budget.limit * reserve else now


def _open_at(budget: Budget, now: int) -> int:
    """When a budget opens. A spent one opens at its reset, whether or not GitHub said wait."""
    spent = budget.remaining == 0 and budget.reset_at is not None and budget.reset_at >= now
    return max(budget.blocked_until, (budget.reset_at or 0) + SECOND if spent else 0)


def _is_secondary_limit(headers: Mapping[str, str], message: str) -> bool:
    """Whether an answer that says wait has another reason than that its resource is spent."""
    return (
        SECONDARY_WORDS.search(message) is not None
        or "retry-after" in headers
        or _number(headers, "x-ratelimit-remaining") != 0
    )


def _with_wait(budget: Budget, until: int | None, now: int) -> Budget:
    """The budget, closed until then. None: GitHub did not say how long."""
    if until is None:
        until = now + min(FIRST_WAIT << budget.failures, LONGEST_WAIT)
        budget = replace(budget, failures=min(budget.failures + 1, 16))
    return replace(budget, blocked_until=max(budget.blocked_until, until))


def _with_counts(budget: Budget, headers: Mapping[str, str], now: int) -> Budget:
    reset = _number(headers, "x-ratelimit-reset")
    if reset is None:
        return budget
    return replace(
        budget,
        limit=_number(headers, "x-ratelimit-limit"),
        remaining=_number(headers, "x-ratelimit-remaining"),
        used=_number(headers, "x-ratelimit-used"),
        reset_at=min(reset, now // SECOND + MOST_WAIT_S) * SECOND,
    )


def _retry_after(headers: Mapping[str, str], now: int) -> int | None:
    """How long to wait, in microseconds. None if GitHub does not say, or names a time in the past.

    The header has seconds or a date (RFC 9110, section 10.2.3).
    """
    seconds = _number(headers, "retry-after")
    if seconds is None:
        until = http_date(headers.get("retry-after", ""))
        if until is None or until <= now:
            return None
        seconds = -((now - until) // SECOND)
    return min(max(seconds, 1), MOST_WAIT_S) * SECOND


def http_date(value: str) -> int | None:
    """The microseconds UTC of a date as HTTP writes it; None if it is not one."""
    try:
        found = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return int(found.replace(tzinfo=found.tzinfo or UTC).timestamp()) * SECOND


def _lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _number(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name, "").strip()
    return int(value) if NUMBER.fullmatch(value) else None
