"""What a report finds in what was recorded. Fewer cases than a few say nothing."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from bot.insights import agents, leases, outbox, refusals, reviews, spending
from bot.insights.findings import Finding
from bot.insights.leases import Expired
from bot.insights.reviews import Wait
from bot.times import SECOND
from store.history import EndedTask, Happened, Ran, Refusals, RefusedCommand, Spent
from store.tables.tasks import TaskState

AT = 1_800_000_000 * SECOND


def expired(silent_s: int | None, number: int, holder: str = "ada") -> Expired:
    return Expired(holder, f"acme/rocket#{number}", "acme/rocket", 900, silent_s)


def task(state: TaskState, number: int, holder: str = "ada") -> EndedTask:
    assert state in get_args(TaskState)
    return {
        "id": f"t_{number}",
        "number": number,
        "full_name": "acme/rocket",
        "state": state,
        "last_holder": holder,
        "failures": 1,
    }


def ran(state: Any, waited_s: int = 5, why: str | None = None) -> Ran:
    return {
        "id": f"r_{state}_{waited_s}",
        "template": "fixer",
        "full_name": "acme/rocket",
        "state": state,
        "why": why,
        "created_at": AT,
        "dispatched_at": AT + waited_s * SECOND,
    }


def spent(agent: str, cost: int, reports: int = 20) -> Spent:
    return {"agent": agent, "currency": "USD", "cost": cost, "tokens": 1000, "reports": reports}


def write(state: str, waited_s: int = 1, author: str = "ada", **details: Any) -> Any:
    return {
        "id": f"w_{waited_s}",
        "kind": "comment",
        "author": author,
        "queued_at": AT,
        "finished_at": AT + waited_s * SECOND,
        "error": {"code": "github_refused", "details": details} if details else None,
        "state": state,
    }


def refused(code: str, n: int, actor: str = "ada") -> Refusals:
    return {"actor": actor, "operation": "claim_task", "code": code, "n": n, "newest": "t_1"}


def command(verb: str, number: int) -> RefusedCommand:
    return {
        "full_name": "acme/rocket",
        "number": number,
        "verb": verb,
        "asker": "octocat",
        "answer": None,
    }


def overlap(subject: str) -> Happened:
    return {"at": AT, "kind": "task.overlap", "subject": subject, "actor": "hubbub[bot]"}


NAMES = {f"t_{n}": f"acme/rocket#{n}" for n in range(9)}

# Of each kind: what makes it, with just enough cases, and the same with one case less.
ENOUGH: dict[str, tuple[list[Finding], list[Finding]]] = {
    "leases_too_short": (
        leases.findings([expired(1500, n) for n in range(3)], 10, "acme"),
        leases.findings([expired(1500, n) for n in range(2)], 10, "acme"),
    ),
    "agent_dies": (
        leases.findings([expired(None, n) for n in range(3)], 10, "acme"),
        leases.findings([expired(None, 1), expired(None, 2), expired(None, 3, "bob")], 10, "acme"),
    ),
    "agent_fails": (
        agents.failing_agents([task("failed", n) for n in range(3)] + [task("completed", 9)] * 2),
        # Too few tasks for a share.
        agents.failing_agents([task("failed", n) for n in range(3)] + [task("completed", 9)]),
    ),
    "runs_fail": (
        agents.run_findings([ran("failed"), ran("not_started"), ran("failed"), ran("succeeded")]),
        agents.run_findings([ran("failed"), ran("failed"), ran("succeeded")]),
    ),
    "runs_wait": (
        agents.run_findings([ran("succeeded", 700 + n) for n in range(3)]),
        agents.run_findings([ran("succeeded", 700 + n) for n in range(2)]),
    ),
    "limit_used_by_one": (
        spending.limit_findings({"ada": 60, "bob": 40}, "acme"),
        spending.limit_findings({"ada": 59, "bob": 40}, "acme"),
    ),
    "money_spent_by_one": (
        spending.money_findings([spent("ada", 3_000_000, 10), spent("bob", 1_000_000)]),
        spending.money_findings([spent("ada", 3_000_000, 9), spent("bob", 1_000_000)]),
    ),
    "slow_reviewer": (
        reviews.findings([Wait(f"acme/rocket#{n}", 20_000, "@octocat") for n in range(3)]),
        reviews.findings([Wait(f"acme/rocket#{n}", 20_000, "@octocat") for n in range(2)]),
    ),
    "reviews_wait": (
        reviews.findings([Wait(f"acme/rocket#{n}", 20_000 + n, None) for n in range(3)]),
        reviews.findings([Wait(f"acme/rocket#{n}", 20_000, None) for n in range(2)]),
    ),
    "writes_refused": (
        outbox.refusals([write("refused", n, reason="locked") for n in range(3)], "acme"),
        outbox.refusals([write("refused", n, reason=f"other{n}") for n in range(3)], "acme"),
    ),
    "writes_wait": (
        outbox.waits([write("sent", 100) for _ in range(20)], "acme"),
        outbox.waits([write("sent", 100) for _ in range(19)], "acme"),
    ),
    "calls_refused": (
        refusals.call_findings([refused("forbidden", 20)]),
        refusals.call_findings([refused("forbidden", 19), refused("forbidden", 99, "@octocat")]),
    ),
    "commands_refused": (
        refusals.command_findings([command("hold", n) for n in range(3)]),
        refusals.command_findings([command("hold", 1), command("hold", 2), command("done", 3)]),
    ),
    "overlaps": (
        refusals.overlap_findings([overlap(f"t_{n}") for n in range(3)], NAMES),
        refusals.overlap_findings([overlap("t_1"), overlap("t_1"), overlap("t_2")], NAMES),
    ),
}


@pytest.mark.parametrize("kind", ENOUGH)
def test_a_finding_needs_enough_cases_and_says_what_to_change(kind: str) -> None:
    found, too_few = ENOUGH[kind]
    assert [each.kind for each in found] == [kind]
    assert too_few == []
    (one,) = found
    assert one.cases >= 3
    assert one.evidence
    assert one.finding.endswith(".")
    # The exact setting or command.
    assert (
        "`" in one.change
        or "hubbub" in one.change
        or "HUBBUB_" in one.change
        or "GitHub" in (one.change)
        or "person" in one.change
    )


def test_a_short_lease_gets_the_length_that_agents_needed() -> None:
    silent = (901, 950, 1000, 1010, 1650)
    (found,) = leases.findings([expired(each, n) for n, each in enumerate(silent)], 40, "acme")
    assert "`lease_s: 1800` in .github/hubbub.yml of acme/rocket" in found.change
    assert found.look_at[0] == "acme/rocket#0"
    assert "40 claims of agents ended" in found.evidence[0]


def test_a_missing_permission_is_named() -> None:
    details = {"reason": "missing_permission", "accepted_permissions": "issues=write"}
    (found,) = outbox.refusals([write("refused", n, **details) for n in range(4)], "acme")
    assert found.finding == "GitHub refused 4 writes: the permission issues=write is missing."
    assert found.look_at[0] == "hubbub writes list --installation acme --state refused"


def test_people_and_the_bot_are_no_agents() -> None:
    many = [task("failed", n, "@octocat") for n in range(9)]
    assert agents.failing_agents(many) == []
    assert spending.limit_findings({"hubbub[bot]": 900, "@octocat": 90}, "acme") == []
    assert outbox.waits([write("sent", 100, "hubbub[bot]")] * 30, "acme") == []


def test_every_kind_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/monitor.md").read_text()
    table = page.partition("## Insights")[2]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == ENOUGH.keys()
