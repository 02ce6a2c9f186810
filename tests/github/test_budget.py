from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.github.rate_limits import (
    FIRST_WAIT,
    LONGEST_WAIT,
    MOST_WAIT_S,
    READ,
    SECONDARY,
    Budget,
    Limits,
    budget_after,
    changed_budgets,
    expected_at,
    is_limit,
    ready_at,
)
from bot.github.token_buckets import CONTENT, Cost, allowances_after
from bot.times import SECOND

NOW = 1_800_000_000 * SECOND
RESET = 1_800_001_234
NO_ACCESS = "Resource not accessible by integration"
PRIMARY_WORDS = "API rate limit exceeded for installation ID 42."
SECONDARY_WORDS = "You have exceeded a secondary rate limit. Please wait a few minutes."
ABUSE_WORDS = "You have triggered an abuse detection mechanism."


def headers(remaining: int = 4000, resource: str = "core", **more: str) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": "5000",
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Used": str(5000 - remaining),
        "X-RateLimit-Reset": str(RESET),
        "X-RateLimit-Resource": resource,
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def budget_with(remaining: int, resource: str = "core") -> Budget:
    return Budget(resource, 5000, remaining, 5000 - remaining, RESET * SECOND)


@pytest.mark.parametrize(
    ("status", "given_headers", "message", "expected"),
    [
        (200, headers(), "", False),
        (200, headers(), "Wait when the rate limit says so", False),  # a commit's message
        (200, headers(0, "graphql"), "", False),  # the last point was spent, and answered
        (201, headers(0), "", False),
        (403, headers(), NO_ACCESS, False),
        (403, {}, "", False),
        (403, headers(0), PRIMARY_WORDS, True),
        (403, {}, PRIMARY_WORDS, True),
        (403, headers(), SECONDARY_WORDS, True),
        (403, headers(), ABUSE_WORDS, True),
        (403, headers(retry_after="60"), "", True),
        (403, {"RETRY-AFTER": "60"}, "", True),
        (429, {}, "", True),
        (404, headers(0), "Not Found", False),
        (422, headers(), "Validation Failed", False),
        (503, headers(retry_after="60"), "", False),  # an outage: whether it took effect is open
    ],
)
def test_a_limit_is_told_from_a_refusal(
    status: int, given_headers: Mapping[str, str], message: str, *, expected: bool
) -> None:
    assert is_limit(status, given_headers, message) is expected


def test_every_answer_leaves_what_remains_of_its_resource() -> None:
    known = [budget_with(4001), budget_with(9, "search")]
    assert changed_budgets(known, 200, headers(4000), "", NOW) == [budget_with(4000)]
    assert changed_budgets(known, 404, headers(8, "search"), "", NOW) == [budget_with(8, "search")]
    assert changed_budgets([], 200, headers(4999), "", NOW) == [budget_with(4999)]
    assert changed_budgets(known, 502, {}, "", NOW) == []


@pytest.mark.parametrize(("status", "resource"), [(403, "core"), (429, "core"), (429, "graphql")])
def test_a_spent_resource_is_closed_until_a_second_after_its_reset(
    status: int, resource: str
) -> None:
    after = changed_budgets([], status, headers(0, resource), PRIMARY_WORDS, NOW)
    assert after == [replace(budget_with(0, resource), blocked_until=(RESET + 1) * SECOND)]


def test_a_reset_that_is_over_by_our_clock_closes_for_a_minute() -> None:
    late = (RESET + 5) * SECOND
    (after,) = changed_budgets([], 403, headers(0), PRIMARY_WORDS, late)
    assert (after.blocked_until, after.failures) == (late + FIRST_WAIT, 1)


def test_a_reset_in_the_far_future_is_a_mistake() -> None:
    given = headers(0) | {"X-RateLimit-Reset": "999999999999"}
    (after,) = changed_budgets([], 403, given, PRIMARY_WORDS, NOW)
    assert after.blocked_until == NOW + (MOST_WAIT_S + 1) * SECOND


def test_the_last_request_of_an_hour_closes_before_github_has_to_say_so() -> None:
    (after,) = changed_budgets([], 201, headers(0), "", NOW)
    assert ready_at(Limits((after,)), READ, NOW) == (RESET + 1) * SECOND
    reset = (RESET + 2) * SECOND
    assert ready_at(Limits((after,)), READ, reset) == reset


@pytest.mark.parametrize(
    ("given_headers", "wait"),
    [
        (headers(retry_after="17"), 17 * SECOND),
        ({"Retry-After": "17"}, 17 * SECOND),
        (headers(retry_after="7200"), 7200 * SECOND),
        (headers(retry_after="0"), SECOND),
        (headers(), FIRST_WAIT),
        (headers(retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), FIRST_WAIT),
        # The date of NOW and 17 s, in the three forms that HTTP has.
        (headers(retry_after="Fri, 15 Jan 2027 08:00:17 GMT"), 17 * SECOND),
        (headers(retry_after="Friday, 15-Jan-27 08:00:17 GMT"), 17 * SECOND),
        (headers(retry_after="Fri Jan 15 08:00:17 2027"), 17 * SECOND),
        (headers(retry_after="Fri, 31 Dec 9999 23:59:59 GMT"), MOST_WAIT_S * SECOND),
        (headers(retry_after="999999999999"), MOST_WAIT_S * SECOND),
        (headers(retry_after="soon"), FIRST_WAIT),
        ({}, FIRST_WAIT),
    ],
)
def test_a_secondary_limit_closes_the_installation_for_as_long_as_it_says(
    given_headers: dict[str, str], wait: int
) -> None:
    after = changed_budgets([budget_with(4000)], 403, given_headers, SECONDARY_WORDS, NOW)
    assert [(each.resource, each.blocked_until) for each in after] == [(SECONDARY, NOW + wait)]


def test_a_secondary_limit_is_told_by_its_words_though_the_resource_is_spent_too() -> None:
    after = changed_budgets([], 403, headers(0), SECONDARY_WORDS, NOW)
    assert after == [budget_with(0), Budget(SECONDARY, blocked_until=NOW + FIRST_WAIT, failures=1)]


def test_a_spent_resource_with_a_time_to_wait_closes_both() -> None:
    after = changed_budgets([], 429, headers(0, retry_after="30"), PRIMARY_WORDS, NOW)
    assert [(each.resource, each.blocked_until) for each in after] == [
        ("core", (RESET + 1) * SECOND),
        (SECONDARY, NOW + 30 * SECOND),
    ]


def test_limits_that_name_no_time_double_the_wait_up_to_an_hour() -> None:
    budget, now, waits = Budget(SECONDARY), NOW, []
    for _ in range(40):
        budget = budget_after(budget, 429, {}, "", now)
        waits.append(budget.blocked_until - now)
        now = budget.blocked_until
    minutes = [wait // (60 * SECOND) for wait in waits]
    assert minutes[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert waits[-1] == LONGEST_WAIT


def test_a_success_ends_the_doubling_and_opens_nothing_early() -> None:
    closed = Budget(SECONDARY, blocked_until=NOW + 9, failures=5)
    assert budget_after(closed, 200, headers(), "", NOW) == replace(closed, failures=0)
    assert budget_after(closed, 404, headers(), "Not Found", NOW) == closed
    assert budget_after(closed, 502, {}, "", NOW) == closed


MUTATION = Cost(mutates=True)
COMMENT = Cost(mutates=True, notifies=True)
AGENTS = Cost(mutates=True, reserve=0.2)


@pytest.mark.parametrize(
    ("limits", "cost", "wait"),
    [
        (Limits(), MUTATION, 0),
        (Limits(last_mutation_at=NOW - 400_000), MUTATION, 600_000),
        (Limits(last_mutation_at=NOW - 400_000), READ, 0),
        (Limits(last_mutation_at=NOW - SECOND), MUTATION, 0),
        (Limits(last_notified_at=NOW - SECOND), MUTATION, 0),
        (Limits(last_notified_at=NOW - SECOND), COMMENT, 2 * SECOND),
        (Limits((budget_with(4000),), last_mutation_at=NOW - SECOND), MUTATION, 0),
        (Limits((Budget("core", blocked_until=NOW + 5), Budget(SECONDARY))), READ, 5),
        (Limits((Budget("core"), Budget(SECONDARY, blocked_until=NOW + 7))), READ, 7),
        (Limits((Budget(SECONDARY, blocked_until=NOW + 7),), {}, NOW), MUTATION, SECOND),
        (Limits((Budget(SECONDARY, blocked_until=NOW - 7),)), MUTATION, 0),
        # Another resource's limit is its own.
        (Limits((budget_with(0, "search"), budget_with(9, "graphql"))), READ, 0),
        (Limits((budget_with(0, "graphql"),)), Cost("graphql"), (RESET + 1) * SECOND - NOW),
        # The last fifth of an hour's limit is for people.
        (Limits((budget_with(1000),)), AGENTS, (RESET + 1) * SECOND - NOW),
        (Limits((budget_with(1001),)), AGENTS, 0),
        (Limits((budget_with(1000),)), MUTATION, 0),
    ],
)
def test_the_next_request_waits_for_every_limit_that_concerns_it(
    limits: Limits, cost: Cost, wait: int
) -> None:
    assert ready_at(limits, cost, NOW) == NOW + wait


@settings(deadline=None)
@given(gaps=st.lists(st.integers(0, 30), max_size=700), mutates=st.lists(st.booleans()))
def test_however_requests_come_no_window_holds_more_than_github_takes(
    gaps: list[int], mutates: list[bool]
) -> None:
    limits, now, sent = Limits(), NOW, list[tuple[int, Cost]]()
    for n, gap in enumerate(gaps):
        cost = MUTATION if not mutates or mutates[n % len(mutates)] else READ
        now = ready_at(limits, cost, now + gap * SECOND // 10)
        full_at = {**limits.full_at, **allowances_after(limits.full_at, cost, now)}
        limits = Limits((), full_at, now if cost.mutates else limits.last_mutation_at)
        sent.append((now, cost))
    for began, _ in sent:
        hour = [c for at, c in sent if began <= at < began + 3600 * SECOND]
        minute = [c for at, c in sent if began <= at < began + 60 * SECOND]
        assert sum(each.mutates for each in hour) <= 500
        assert sum(each.mutates for each in minute) <= 80
        assert sum(5 if each.mutates else 1 for each in minute) <= 900


def test_an_hour_of_writing_spends_what_github_takes_and_no_more() -> None:
    limits, now, sent = Limits(), NOW, 0
    while (now := ready_at(limits, COMMENT, now)) < NOW + 3600 * SECOND:
        full_at = {**limits.full_at, **allowances_after(limits.full_at, COMMENT, now)}
        limits = Limits((), full_at, now, now)
        sent += 1
    assert 490 <= sent <= 500


def test_the_reserve_of_content_is_left_to_people() -> None:
    spent = Limits((), {"content": NOW + CONTENT.span // CONTENT.inflow * 144})
    assert ready_at(spent, MUTATION, NOW) == NOW
    assert ready_at(spent, AGENTS, NOW) > NOW


@pytest.mark.parametrize("ahead", [0, 1, 10, 1000])
def test_a_write_is_expected_no_sooner_than_those_ahead_of_it_may_go(ahead: int) -> None:
    expected = expected_at(Limits(), COMMENT, ahead, NOW)
    assert expected >= NOW + ahead * 3 * SECOND
    if ahead > 500:
        assert expected > NOW + 2 * 3600 * SECOND


TIMES = st.integers(0, 2**52)
BUDGETS = st.builds(
    Budget,
    st.sampled_from(["core", "graphql", "search", SECONDARY]),
    remaining=st.none() | st.integers(0, 5000),
    reset_at=st.none() | TIMES,
    blocked_until=TIMES,
    failures=st.integers(0, 16),
)
NUMBERS = st.integers(-1, 10**13).map(str) | st.sampled_from(["", "soon"])
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "x-ratelimit-remaining": NUMBERS,
        "X-RateLimit-Reset": NUMBERS,
        "Retry-After": NUMBERS,
        "x-ratelimit-resource": st.sampled_from(["core", "graphql", "search", ""]),
    },
)
MESSAGES = st.sampled_from(["", NO_ACCESS, PRIMARY_WORDS, SECONDARY_WORDS, ABUSE_WORDS])
STATUSES = st.sampled_from([200, 201, 304, 403, 404, 429, 500, 502])


@settings(deadline=None)
@given(BUDGETS, STATUSES, HEADERS, MESSAGES, TIMES)
def test_no_answer_opens_what_is_closed(
    before: Budget, status: int, given_headers: dict[str, str], message: str, now: int
) -> None:
    after = budget_after(before, status, given_headers, message, now)
    assert before.blocked_until <= after.blocked_until < 2**63


@settings(deadline=None)
@given(st.lists(BUDGETS), STATUSES, HEADERS, MESSAGES, TIMES)
def test_after_github_said_wait_nothing_is_ready(
    known: list[Budget], status: int, given_headers: dict[str, str], message: str, now: int
) -> None:
    after = changed_budgets(known, status, given_headers, message, now)
    lower = {name.lower(): value for name, value in given_headers.items()}
    cost = Cost(lower.get("x-ratelimit-resource", "core"))
    if is_limit(status, given_headers, message):
        assert ready_at(Limits((*known, *after)), cost, now) >= now + SECOND


@settings(deadline=None)
@given(
    known=st.lists(BUDGETS), last=TIMES, now=TIMES, cost=st.sampled_from([READ, AGENTS, COMMENT])
)
def test_nothing_is_ready_before_all_is_open(
    known: list[Budget], last: int, now: int, cost: Cost
) -> None:
    ready = ready_at(Limits(tuple(known), {}, last, last), cost, now)
    assert ready >= now
    mine = [each for each in known if each.resource in ("core", SECONDARY)]
    assert all(ready >= each.blocked_until for each in mine)
