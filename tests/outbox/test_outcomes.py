"""The write's state machine, as a table of values: no store, no GitHub."""

from typing import Any, cast

import pytest

from bot.github.outcomes import NO_TURN, Meaning, Outcome, classify, classify_failure
from bot.github.requests import Answer, OutcomeUnknown, TokenRefused, Unreachable
from bot.identity.keyring import Keys
from bot.outbox import outcomes
from bot.outbox.kinds import KINDS, Sending
from bot.outbox.outcomes import (
    LAG_TRIES,
    LOOK_EVERY,
    LOOKS,
    MOST_FAILURES,
    Dead,
    Decision,
    Explain,
    Look,
    PutOff,
    Refused,
    Send,
    Sent,
)
from bot.times import SECOND
from store.tables.outbox import WriteRow

ARGUMENTS = {"number": 7, "branch": "b", "base": "main", "sha": "a", "head": "b", "body": "x"}


def sending(kind: str, **given: Any) -> Sending:
    write = {
        "id": "w1",
        "kind": kind,
        "author": "scout",
        "state": "sending",
        "arguments": ARGUMENTS | given.pop("arguments", {}),
        "failures": 0,
        "looks": 0,
        "attempts": 1,
        "queued_at": 1_800_000_000 * SECOND,
        "sending_at": 1_800_000_000 * SECOND,
    }
    write |= given
    return Sending(cast("WriteRow", write), "acme/web", cast("Keys", None))


def answer(kind: str, status: int, data: Any = None) -> Outcome:
    return classify(
        Answer(status, {}, data), lambda data: outcomes.is_complete(KINDS[kind].result(data))
    )


def shape(decision: Decision) -> Any:
    """Its type and, of one that puts off, where to."""
    if isinstance(decision, PutOff):
        return (PutOff, decision.state, decision.failed, decision.give_back)
    return type(decision)


WAITS = (PutOff, "queued", False, False)
TRIES_AGAIN = (PutOff, "queued", True, False)
FINDS_OUT = (PutOff, "unknown", True, False)
WAITS_FOR_GITHUB = (PutOff, "queued", False, True)
MADE = {"id": 5, "html_url": "https://github.com/x"}
ISSUE = {"id": 5, "number": 7}
EXISTS = {"message": "Reference already exists"}
SUSPENDED = {"message": "This installation has been suspended"}
NO = {"message": "Validation Failed"}


@pytest.mark.parametrize(
    ("kind", "given", "outcome", "expected"),
    [
        ("comment", {}, answer("comment", 201, MADE), Sent),
        # A success of something that is not GitHub says nothing about the effect.
        ("comment", {}, answer("comment", 200, "<html>"), FINDS_OUT),
        ("comment", {}, answer("comment", 429), WAITS),
        ("comment", {}, answer("comment", 502), FINDS_OUT),
        ("comment", {}, answer("comment", 401), WAITS_FOR_GITHUB),
        ("comment", {}, answer("comment", 422, NO), Refused),
        ("comment", {}, answer("comment", 403), Refused),
        # A server before GitHub redirects: it says nothing about the effect.
        ("comment", {}, answer("comment", 301), FINDS_OUT),
        # What was made a moment ago GitHub does not know everywhere yet.
        ("comment", {}, answer("comment", 404), TRIES_AGAIN),
        ("comment", {"failures": LAG_TRIES}, answer("comment", 404), Refused),
        ("comment", {}, classify_failure(Unreachable("down")), WAITS_FOR_GITHUB),
        ("comment", {"failures": 99}, classify_failure(Unreachable("down")), WAITS_FOR_GITHUB),
        ("comment", {}, NO_TURN, WAITS_FOR_GITHUB),
        ("comment", {}, classify_failure(OutcomeUnknown("timed out")), FINDS_OUT),
        ("comment", {}, classify_failure(TokenRefused(403, "suspended")), WAITS_FOR_GITHUB),
        ("comment", {}, answer("comment", 403, SUSPENDED), WAITS_FOR_GITHUB),
        # Nothing was carried out, so nothing failed, for as long as it takes.
        ("comment", {"failures": 99}, answer("comment", 401), WAITS_FOR_GITHUB),
        # A refused token is no answer to the request, whatever its status.
        ("comment_delete", {}, classify_failure(TokenRefused(404, "")), TRIES_AGAIN),
        # Some kinds are done by a status.
        ("comment_delete", {}, answer("comment_delete", 204), Sent),
        ("comment_delete", {}, answer("comment_delete", 410), Sent),
        ("comment_delete", {}, answer("comment_delete", 404), TRIES_AGAIN),
        ("comment_delete", {"failures": LAG_TRIES}, answer("comment_delete", 404), Sent),
        ("workflow_cancel", {}, answer("workflow_cancel", 409), Sent),
        ("workflow_force_cancel", {}, answer("workflow_force_cancel", 409), Sent),
        # GitHub says that the effect is there already.
        ("branch", {}, answer("branch", 422, EXISTS), Look),
        ("branch", {}, answer("branch", 422, NO), Refused),
        ("merge", {}, answer("merge", 405), Look),
        # A refusal that says how things are now.
        ("merge", {}, answer("merge", 409), Explain),
        # Not for ever: but what was sent just now is looked for first.
        ("comment", {"failures": MOST_FAILURES}, answer("comment", 502), FINDS_OUT),
        ("comment", {"failures": MOST_FAILURES + LOOKS}, answer("comment", 502), Dead),
    ],
)
def test_what_follows_from_an_answer(
    kind: str, given: dict[str, Any], outcome: Outcome, expected: Any
) -> None:
    assert shape(outcomes.decide(KINDS[kind], sending(kind, **given), outcome)) == expected


@pytest.mark.parametrize(
    ("kind", "status", "data", "expected"),
    [
        ("issue", 201, ISSUE, Sent),
        ("issue", 201, {"id": 5}, FINDS_OUT),
        ("issue", 201, {"id": "5", "number": "7"}, FINDS_OUT),
        ("comment", 201, {"id": True}, FINDS_OUT),
        ("merge", 200, {"merged": True, "sha": "a"}, Sent),
        ("merge", 200, {"merged": False}, FINDS_OUT),
        ("comment_delete", 200, "<html>", FINDS_OUT),
        ("comment_delete", 200, None, FINDS_OUT),
        ("sub_issue_removal", 200, ISSUE, Sent),
        ("sub_issue_removal", 200, "<html>", FINDS_OUT),
        ("blocked_by_removal", 200, {}, FINDS_OUT),
        ("workflow_cancel", 202, {}, Sent),
        ("workflow_cancel", 200, "<html>", FINDS_OUT),
        ("reaction", 200, {"id": "x"}, FINDS_OUT),
        ("branch", 201, {"object": {"sha": 7}, "ref": "refs/heads/b"}, FINDS_OUT),
        ("pull_draft", 200, {"data": {}}, FINDS_OUT),
    ],
)
def test_a_success_counts_only_in_the_shape_of_its_kind(
    kind: str, status: int, data: Any, expected: Any
) -> None:
    found = outcomes.decide(KINDS[kind], sending(kind), answer(kind, status, data))
    assert shape(found) == expected


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (answer("merge", 429), WAITS),
        (answer("merge", 502), TRIES_AGAIN),
        (answer("merge", 401), WAITS_FOR_GITHUB),
        (classify(Answer(200, {}, []), lambda _: False), TRIES_AGAIN),
        (answer("merge", 404), TRIES_AGAIN),
        (answer("merge", 403), Explain),
        # Only the read may have been lost.
        (classify_failure(OutcomeUnknown("timed out")), WAITS_FOR_GITHUB),
        (classify_failure(Unreachable("down")), WAITS_FOR_GITHUB),
        (NO_TURN, WAITS_FOR_GITHUB),
    ],
)
def test_what_follows_when_a_read_before_the_request_fails(outcome: Outcome, expected: Any) -> None:
    assert shape(outcomes.decide_unprepared(KINDS["merge"], sending("merge"), outcome)) == expected


LOOKS_LATER = (PutOff, "unknown", False, False)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (answer("comment", 429), FINDS_OUT),
        (NO_TURN, LOOKS_LATER),
        (answer("comment", 401), LOOKS_LATER),
        (classify_failure(TokenRefused(403, "suspended")), LOOKS_LATER),
        (classify_failure(Unreachable("down")), LOOKS_LATER),
        (answer("comment", 502), FINDS_OUT),
        (answer("comment", 403), FINDS_OUT),
    ],
)
def test_what_follows_when_a_look_gets_no_list(outcome: Outcome, expected: Any) -> None:
    write = sending("comment", state="unknown", looks=1).write
    decision = outcomes.decide_unlisted(write, outcome)
    assert shape(decision) == expected
    # A look that was made before still counts.
    assert isinstance(decision, PutOff)
    assert decision.looks == 1


REFUSAL = answer("branch", 422, EXISTS)
THERE = {"object": {"sha": "a"}, "ref": "refs/heads/b"}


@pytest.mark.parametrize(
    ("given", "entries", "refusal", "expected"),
    [
        ({}, [THERE], None, Sent({"head": "a", "ref": "refs/heads/b"})),
        ({}, [], None, PutOff("unknown", LOOK_EVERY, looks=1)),
        # Hubbub looks twice before it treats a write as missing.
        ({"looks": 1}, [], None, PutOff("queued", LOOK_EVERY, looks=2)),
        ({}, [], REFUSAL, PutOff("queued", LOOK_EVERY, looks=1, failed=True)),
    ],
)
def test_what_follows_from_a_look(
    given: dict[str, Any], entries: list[Any], refusal: Outcome | None, expected: Decision
) -> None:
    write = sending("branch", **given)
    assert outcomes.decide_look(KINDS["branch"], write, entries, refusal) == expected


def test_a_refusal_whose_effect_is_nowhere_holds_in_the_end() -> None:
    write = sending("branch", failures=KINDS["branch"].retries)
    assert shape(outcomes.decide_look(KINDS["branch"], write, [], REFUSAL)) is Refused


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("comment", {"state": "queued"}, Send),
        ("comment", {"state": "unknown"}, Look),
        # Without a look it may be sent twice without harm.
        ("comment_edit", {"state": "unknown"}, WAITS),
        # What it builds on did not take effect.
        ("commit", {"state": "queued", "arguments": {"after": "w0"}}, Refused),
    ],
)
def test_how_a_turn_starts(kind: str, given: dict[str, Any], expected: Any) -> None:
    assert shape(outcomes.begin(KINDS[kind], sending(kind, **given))) == expected


def test_a_write_whose_basis_failed_names_it() -> None:
    write = sending("commit", state="queued", arguments={"after": "w0"})
    message = "Not sent: the write that it builds on, w0, did not take effect."
    error = {"code": "github_refused", "message": message, "details": {}}
    assert outcomes.begin(KINDS["commit"], write) == Refused(error)


@pytest.mark.parametrize(("failures", "seconds"), [(0, 5), (1, 10), (5, 160), (6, 300), (29, 300)])
def test_failures_make_it_come_ever_more_rarely(failures: int, seconds: int) -> None:
    later = outcomes.fail(sending("comment", failures=failures).write, "queued", "x")
    assert later == PutOff("queued", seconds * SECOND, failed=True, why="x")


def test_each_meaning_has_a_rule() -> None:
    assert set(outcomes.AFTER_REQUEST) == set(Meaning)
    assert set(outcomes.AFTER_PREPARING) == set(Meaning) - {Meaning.DONE}
