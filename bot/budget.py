"""GitHub's limits as values: what an answer says about them, and when the next request may go.

Source: docs.github.com, "Rate limits for the REST API". Times are microseconds UTC.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bot.times import SECOND

# GitHub asks for a second between mutations, in series.
MUTATION_SPACING = SECOND
# A secondary limit without retry-after: at least a minute, then exponentially more.
FIRST_WAIT = 60 * SECOND
LONGEST_WAIT = 3600 * SECOND
# It closes every resource of the installation, so it is a budget of its own.
SECONDARY = "secondary"


@dataclass(frozen=True)
class Budget:
    """One of GitHub's buckets, as its last answer told. Unknown is None."""

    resource: str
    limit: int | None = None
    remaining: int | None = None
    used: int | None = None
    reset_at: int | None = None
    blocked_until: int = 0
    failures: int = 0


def limited(status: int, headers: Mapping[str, str], message: str) -> bool:
    """Whether GitHub said wait, and not no."""
    if "rate_limited" in message.lower():
        return True  # GraphQL says it with status 200
    if status not in (403, 429):
        return False
    return (
        status == 429
        or _number(headers, "x-ratelimit-remaining") == 0
        or "retry-after" in _lower(headers)
        or "secondary rate" in message.lower()
    )


def observed(
    known: Iterable[Budget], status: int, headers: Mapping[str, str], message: str, now: int
) -> list[Budget]:
    """The budgets that an answer changes."""
    resource = _lower(headers).get("x-ratelimit-resource", "core")
    by_name = {each.resource: each for each in known}
    primary = _counted(by_name.get(resource, Budget(resource)), headers)
    secondary = by_name.get(SECONDARY, Budget(SECONDARY))
    if not limited(status, headers, message):
        cleared = [replace(secondary, failures=0)] if secondary.failures else []
        return [primary, *cleared]
    if primary.remaining == 0 and "retry-after" not in _lower(headers):
        until = (primary.reset_at or now + FIRST_WAIT) + SECOND
        return [replace(primary, blocked_until=max(primary.blocked_until, until))]
    return [primary, _blocked(secondary, headers, now)]


def ready_at(
    known: Iterable[Budget], last_mutation_at: int | None, now: int, *, mutates: bool
) -> int:
    """The earliest time at which the installation's next request may go out."""
    earliest = max([now, *(_open_at(each, now) for each in known)])
    if mutates and last_mutation_at is not None:
        earliest = max(earliest, last_mutation_at + MUTATION_SPACING)
    return earliest


def _open_at(budget: Budget, now: int) -> int:
    spent = budget.remaining == 0 and budget.reset_at is not None and budget.reset_at >= now
    return max(budget.blocked_until, (budget.reset_at or 0) + SECOND if spent else 0)


def _blocked(budget: Budget, headers: Mapping[str, str], now: int) -> Budget:
    told = _number(headers, "retry-after")
    wait = told * SECOND if told is not None else min(FIRST_WAIT << budget.failures, LONGEST_WAIT)
    return replace(
        budget,
        blocked_until=max(budget.blocked_until, now + wait),
        failures=min(budget.failures + 1, 16),
    )


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
    value = _lower(headers).get(name, "").strip()
    return int(value) if value.isdecimal() else None
