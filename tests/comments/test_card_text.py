"""What the card says: its sentences as pure functions of the task and what stands around it."""

from typing import Any, cast

import pytest

from bot.comments import card_boxes, card_history, card_pulls, card_runs, card_text
from bot.comments.card_boxes import Box
from bot.comments.card_context import CardContext, CardDetails
from bot.comments.card_next import next_step
from bot.comments.card_runs import ShownRun
from bot.pulls.review_verdicts import Verdict
from bot.tasks import fitting_commands
from bot.tasks.fitting_commands import CommandPlace
from bot.tasks.merge_readiness import Checks
from store.events import LoggedEvent
from store.messages.messages import CardMessage
from store.tables.runs import AgentRunRow
from store.tables.tasks import TaskRow
from store.tasks.tasks import FullTask

AT = 1_800_000_000_000_000


def task_of(**given: Any) -> FullTask:
    row: dict[str, Any] = dict.fromkeys(
        (*TaskRow.__annotations__, "full_name", "expires_at", "known")
    )
    usual = {"state": "pending", "held": 0, "failures": 0, "progress": 0, "number": 1}
    return cast("FullTask", row | usual | given)


def run_of(state: str, why: str | None = None, url: str | None = None) -> ShownRun:
    row: dict[str, Any] = dict.fromkeys(AgentRunRow.__annotations__)
    row |= {"id": "r_1", "template": "fixer", "state": state, "why": why}
    return ShownRun(cast("AgentRunRow", row), url)


MINE = {"state": "in_progress", "holder": "ada", "lease_id": "l"}
PULLED = MINE | {"pull_number": 7}
# The run of its agent has ended.
LEFT = {"state": "in_review", "last_holder": "ada"}


def verdict(what: Any) -> CardContext:
    return CardContext(verdicts=[Verdict("@bob", what, "abc", outdated=False, at=AT)])


@pytest.mark.parametrize(
    ("task", "context", "details", "wanted"),
    [
        ({}, {}, {}, "the next agent that fits claims it."),
        ({"state": "assigned", "assigned_to": "ada"}, {}, {}, "`ada` claims it."),
        (
            {},
            {"blockers": ["#3"]},
            {},
            "the issues that block it are closed. Then an agent can claim it.",
        ),
        ({}, {"run": run_of("dispatched")}, {}, "the run starts and claims it."),
        ({}, {"run": run_of("failed")}, {}, "the next agent that fits claims it."),
        (MINE, {}, {}, "`ada` works on it and opens a pull request."),
        (MINE | {"held": 1}, {}, {}, "nothing, until somebody ends the hold."),
        (
            MINE | {"question": "Why?"},
            {},
            {},
            "somebody answers in a comment, and `ada` continues.",
        ),
        (MINE | {"state": "in_review"}, {}, {}, "somebody reviews what `ada` reported."),
        (PULLED, {}, {}, "somebody reviews #7. Its merge completes the task."),
        (PULLED, {}, {"is_draft": True}, "`ada` finishes the draft #7."),
        (
            PULLED,
            {},
            {"checks": Checks(1, [], ["lint"])},
            "`ada` looks at the failed checks of #7.",
        ),
        (PULLED, verdict("approved"), {}, "somebody merges #7, which completes the task."),
        (
            PULLED,
            verdict("changes_requested"),
            {},
            "`ada` makes the requested changes in #7.",
        ),
        (LEFT, {}, {}, "somebody reviews what `ada` reported."),
        (
            LEFT | {"pull_number": 7},
            {},
            {"checks": Checks(1, [], ["lint"])},
            "somebody looks at the failed checks of #7.",
        ),
        ({"state": "cancelled"}, {}, {}, "nothing. `/retry` opens the task again."),
    ],
)
def test_the_card_says_what_happens_next(
    task: dict[str, Any],
    context: CardContext | dict[str, Any],
    details: dict[str, Any],
    wanted: str,
) -> None:
    around = context if isinstance(context, CardContext) else CardContext(**context)
    assert next_step(task_of(**task), around, CardDetails(**details)) == wanted


@pytest.mark.parametrize(
    ("task", "blockers", "verbs"),
    [
        ({}, 0, "claim hold done cancel"),
        ({}, 1, "hold done cancel"),
        ({"state": "assigned", "assigned_to": "ada"}, 0, "assign hold done cancel"),
        (MINE, 0, "release hold done cancel"),
        (PULLED | {"state": "in_review"}, 0, "release hold done cancel"),
        (LEFT, 0, "release hold done cancel"),
        (MINE | {"held": 1}, 0, "resume release done cancel"),
        ({"stuck_at": AT, "held": 1}, 0, "resume done cancel"),
        ({"state": "completed"}, 0, "retry"),
        ({"state": "failed"}, 0, "retry"),
    ],
)
def test_the_card_has_the_commands_that_make_sense_now(
    task: dict[str, Any], blockers: int, verbs: str
) -> None:
    found = card_boxes.boxes(task_of(**task), is_blocked=bool(blockers))
    assert " ".join(each.command[1:] for each in found) == verbs
    for each in found:
        assert card_boxes.command_of(each.label) == each.command
        assert fitting_commands.fits(each.command[1:], CommandPlace(task_of(**task)))


def test_the_checks_of_the_pull_request_are_one_line_with_the_failed_ones_first() -> None:
    found = Checks(2, ["slow"], [f"c{n}" for n in range(7)])
    assert card_pulls.checks(CardDetails(checks=found)) == [
        "Checks: `c0`, `c1`, `c2`, `c3`, `c4` and 2 more failed; `slow` running; 2 passed."
    ]
    assert card_pulls.checks(CardDetails(checks=Checks(0, [], []))) == []


def test_the_run_of_a_task_has_its_state_and_its_page() -> None:
    assert card_runs.lines(run_of("queued")) == [
        "The run of `fixer` in GitHub Actions waits for a free place."
    ]
    failed = run_of("failed", "the job ended without a report", "https://github.example/runs/5")
    (line,) = card_runs.lines(failed)
    page = "[in GitHub Actions](https://github.example/runs/5)"
    assert line == f"The run of `fixer` {page} failed: `the job ended without a report`."


def test_the_history_is_folded_and_has_the_last_twenty_steps() -> None:
    steps: list[LoggedEvent] = [
        {
            "seq": n,
            "at": AT - n * 60_000_000,
            "kind": "task.revoked" if n == 0 else "task.held",
            "subject": "t",
            "actor": "@bob" if n else "hubbub[bot]",
            "data": {"holder": "ada", "why": "a trap for @here\n- [ ] `/cancel` no"},
            "audience": None,
            "repository_id": 1,
        }
        for n in range(30)
    ]
    shown = card_history.lines(steps)
    assert shown.startswith("<details><summary>History (times in UTC)</summary>\n\n- ")
    _, _, first, second, *rest = shown.splitlines()
    assert first == "- 2027-01-15 08:00: Hubbub took it from `ada`."
    assert second.replace(chr(0x2BC), "'") == (
        "- 2027-01-15 07:59: `@bob` put it on hold: `a trap for @here - [ ] '/cancel' no`."
    )
    assert rest[-1] == "</details>"
    assert sum(each.startswith("- ") for each in rest) == 18
    assert card_history.lines([]) == ""


def test_the_longest_card_fits_into_a_comment_with_its_boxes() -> None:
    body = "word " * 500
    message: CardMessage = {
        "id": "m",
        "sender": "ada",
        "recipient": "bob",
        "body": "\n" * 1999,
        "sent_at": AT,
    }
    task = task_of(**MINE, note=body, question=body, reported_under="l", branch="b" * 255)
    context = CardContext(blockers=["#1"] * 99, messages=[message] * 40)
    details = CardDetails(boxes=[Box("/hold", "put it on hold")])
    text = card_text.text(task, context, details, AT)
    assert len(text) <= card_text.LONGEST_CARD
    assert "- [ ] `/hold` put it on hold" in text
    assert text.endswith("<sub>As of 2027-01-15 08:00 UTC.</sub>")


def test_what_only_moves_is_not_worth_an_edit() -> None:
    """A new branch or check, another end of the lease, the start of a run, a note."""
    task, context = task_of(**PULLED), CardContext(run=run_of("dispatched"))
    same = card_text.digest(task, context)
    moved = task_of(
        **PULLED, branch="fix", note="Half", progress=50, reported_under="l", expires_at=AT
    )
    assert card_text.digest(moved, CardContext(run=run_of("running"))) == same
    for other in (task_of(**PULLED, held=1), task_of(**MINE), task_of(**PULLED, question="Why?")):
        assert card_text.digest(other, context) != same
    assert card_text.digest(task, CardContext(run=run_of("failed"))) != same
