"""What each answer of GitHub means: one table, without any I/O."""

from typing import Any

import pytest

from bot.fetch.steps import BACKFILL_PAGE, LATER_READ, LOGGED_DELIVERY, READ, Step, step
from bot.github import features
from bot.github.outcomes import Meaning, classify, classify_failure, says_wait
from bot.github.requests import Answer, NoAnswer, OutcomeUnknown, TokenRefused, Unreachable

SPENT = {"x-ratelimit-remaining": "0"}
GRAPHQL = {"x-ratelimit-resource": "graphql"}


BLOCKED = "You have been temporarily blocked from content creation."
ALLOW_LIST = (
    "Although you appear to have the correct authorization credentials, the `acme` organization "
    "has an IP allow list enabled, and your IP address is not permitted to access this resource."
)


def too_quickly(**error: Any) -> dict[str, Any]:
    return {"message": "Validation Failed", "errors": [{"resource": "IssueComment"} | error]}


def errors(**error: Any) -> dict[str, Any]:
    return {"data": None, "errors": [error]}


@pytest.mark.parametrize(
    ("status", "headers", "data", "meaning"),
    [
        (200, {}, {"id": 1}, Meaning.DONE),
        (201, {}, {"id": 1}, Meaning.DONE),
        (204, {}, None, Meaning.DONE),
        (301, {}, {}, Meaning.MALFORMED),
        (403, {}, {"message": "This installation has been suspended"}, Meaning.NO_TOKEN),
        (403, {}, {"message": ALLOW_LIST}, Meaning.NO_TOKEN),
        (200, {}, {"errors": [{"type": "FORBIDDEN", "message": ALLOW_LIST}]}, Meaning.NO_TOKEN),
        (401, {}, {"message": "Bad credentials"}, Meaning.NO_TOKEN),
        (403, {}, {"message": "Resource not accessible by integration"}, Meaning.FORBIDDEN),
        (404, {}, {"message": "Not Found"}, Meaning.ABSENT),
        (405, {}, {"message": "Pull Request is not mergeable"}, Meaning.REFUSED),
        (409, {}, {"message": "Git Repository is empty."}, Meaning.ABSENT),
        (409, {}, {"message": "Conflict"}, Meaning.REFUSED),
        (410, {}, {"message": "This issue was deleted"}, Meaning.ABSENT),
        (422, {}, {"message": "Validation Failed"}, Meaning.REFUSED),
        (451, {}, {"message": "Repository access blocked"}, Meaning.BLOCKED),
        (500, {}, "<html>", Meaning.UNKNOWN),
        (502, {}, {"message": "Server Error"}, Meaning.UNKNOWN),
        (600, {}, None, Meaning.UNKNOWN),
        # A limit goes before what the status means otherwise.
        (429, {}, None, Meaning.LIMITED),
        (403, SPENT, {"message": "no"}, Meaning.LIMITED),
        (403, {"retry-after": "60"}, {"message": "no"}, Meaning.LIMITED),
        (403, {}, {"message": "You have exceeded a secondary rate limit."}, Meaning.LIMITED),
        (404, SPENT, {"message": "Not Found"}, Meaning.ABSENT),
        # GraphQL says it in the body.
        (200, GRAPHQL, errors(type="RATE_LIMITED", message="wait"), Meaning.LIMITED),
        (200, GRAPHQL, errors(type="NOT_FOUND", message="no"), Meaning.ABSENT),
        (200, GRAPHQL, errors(type="FORBIDDEN", message="no"), Meaning.FORBIDDEN),
        (200, GRAPHQL, errors(type="STALE_DATA", message="no"), Meaning.REFUSED),
        (200, GRAPHQL, errors(message="Something went wrong"), Meaning.UNKNOWN),
        (200, GRAPHQL, errors(), Meaning.UNKNOWN),
        # Every spelling of a limit, whatever the headers.
        (200, {}, errors(type="RATE_LIMITED", message="wait"), Meaning.LIMITED),
        (200, {}, errors(type="RATE_LIMIT", code="graphql_rate_limit"), Meaning.LIMITED),
        (200, {}, errors(extensions={"code": "RATE_LIMITED"}, message="wait"), Meaning.LIMITED),
        (200, {}, errors(message="API rate limit already exceeded for ID 1."), Meaning.LIMITED),
        (
            200,
            {},
            errors(type="UNPROCESSABLE", message="was submitted too quickly"),
            Meaning.LIMITED,
        ),
        (200, {}, errors(message="path rate limit.md is a folder"), Meaning.REFUSED),
        # GitHub failed: whether it did what was asked is open.
        (200, {}, errors(type="SERVICE_UNAVAILABLE", message="Sorry"), Meaning.UNKNOWN),
        (200, {}, errors(type="INTERNAL", message="Sorry"), Meaning.UNKNOWN),
        (200, {}, errors(extensions={"code": "INTERNAL_SERVER_ERROR"}), Meaning.UNKNOWN),
        (200, {}, errors(message="Service unavailable"), Meaning.UNKNOWN),
        (200, {}, errors(type="INSUFFICIENT_SCOPES", message="no"), Meaning.FORBIDDEN),
        # The limits on content have words of their own, and no header.
        (422, {}, too_quickly(message="was submitted too quickly"), Meaning.LIMITED),
        (422, {}, too_quickly(code="abuse"), Meaning.LIMITED),
        (422, {}, too_quickly(message="a/was submitted too quickly is no path"), Meaning.REFUSED),
        (422, {}, {"message": "was submitted too quickly"}, Meaning.LIMITED),
        (403, {}, {"message": BLOCKED}, Meaning.LIMITED),
        # Words of a limit in an answer that says yes are a quotation.
        (200, {}, {"message": "API rate limit exceeded"}, Meaning.DONE),
        (200, {}, {"message": "was submitted too quickly"}, Meaning.DONE),
    ],
)
def test_an_answer_has_one_meaning(
    status: int, headers: dict[str, str], data: Any, meaning: Meaning
) -> None:
    assert classify(Answer(status, headers, data)).meaning is meaning


LIMIT = {"type": "RATE_LIMITED", "message": "wait"}
NO = {"type": "NOT_FOUND", "message": "no"}
INVALID = {"type": "UNPROCESSABLE", "message": "no"}
FAILED = {"type": "SERVICE_UNAVAILABLE", "message": "sorry"}


@pytest.mark.parametrize(
    ("listed", "meaning"),
    [
        ([INVALID, NO], Meaning.ABSENT),
        ([NO, LIMIT], Meaning.LIMITED),
        ([INVALID, FAILED], Meaning.UNKNOWN),
        ([LIMIT, FAILED], Meaning.UNKNOWN),
    ],
)
def test_every_error_of_a_list_counts(listed: list[Any], meaning: Meaning) -> None:
    answer = Answer(200, {}, {"data": {"made": None}, "errors": listed})
    assert classify(answer, lambda _: False).meaning is meaning
    assert says_wait(answer) is (LIMIT in listed)


@pytest.mark.parametrize("error", [LIMIT, NO, INVALID, FAILED])
def test_an_error_beside_data_does_not_undo_what_the_data_shows(error: dict[str, Any]) -> None:
    answer = Answer(200, {}, {"data": {"made": {"id": 1}}, "errors": [error]})
    made = classify(answer, lambda data: data["data"]["made"]["id"] == 1)
    assert (made.meaning, made.status) == (Meaning.DONE, 200)
    # Data of another shape shows nothing.
    assert classify(answer, lambda _: False).meaning is not Meaning.DONE


def test_a_success_whose_body_does_not_fit_is_malformed() -> None:
    outcome = classify(Answer(200, {}, "<html>Log in</html>"), lambda data: isinstance(data, list))
    assert outcome.meaning is Meaning.MALFORMED
    # What is no success has no body to fit.
    missing = classify(Answer(404, {}, None), lambda data: isinstance(data, list))
    assert missing.meaning is Meaning.ABSENT


@pytest.mark.parametrize(
    ("exc", "meaning", "token_status"),
    [
        (Unreachable("down"), Meaning.AWAY, 0),
        (OutcomeUnknown("timed out"), Meaning.UNKNOWN, 0),
        (TokenRefused(404, "Not Found"), Meaning.NO_TOKEN, 404),
    ],
)
def test_no_answer_has_a_meaning_and_no_status(
    exc: NoAnswer, meaning: Meaning, token_status: int
) -> None:
    outcome = classify_failure(exc)
    assert (outcome.meaning, outcome.token_status) == (meaning, token_status)
    assert (outcome.has_answer, outcome.status, outcome.words) == (False, 0, str(exc))


def test_the_reason_is_one_line() -> None:
    refused = classify(Answer(422, {}, {"message": "no", "errors": [{"code": "missing"}]}))
    assert refused.why == "422: no missing"
    assert classify_failure(Unreachable("down")).why == "away: down"


@pytest.mark.parametrize("steps", [READ, LATER_READ, BACKFILL_PAGE, LOGGED_DELIVERY])
def test_each_reader_has_a_step_for_each_meaning(steps: Any) -> None:
    assert set(steps) == set(Meaning)


@pytest.mark.parametrize(
    ("steps", "meaning", "attempts", "expected"),
    [
        (READ, Meaning.ABSENT, 0, Step.APPLY),
        (READ, Meaning.FORBIDDEN, 3, Step.RETRY_REFUSAL),
        (READ, Meaning.FORBIDDEN, 4, Step.GIVE_UP),
        (READ, Meaning.REFUSED, 99, Step.GIVE_UP),
        (READ, Meaning.BLOCKED, 0, Step.GIVE_UP),
        (READ, Meaning.UNKNOWN, 23, Step.RETRY_FAILURE),
        (READ, Meaning.UNKNOWN, 24, Step.GIVE_UP),
        (READ, Meaning.AWAY, 999, Step.RETRY),
        (READ, Meaning.NO_TOKEN, 999, Step.RETRY),
        (LATER_READ, Meaning.FORBIDDEN, 0, Step.GIVE_UP),
        (READ, Meaning.MALFORMED, 9, Step.RETRY_NONSENSE),
        (READ, Meaning.MALFORMED, 10, Step.GIVE_UP),
        (READ, Meaning.NO_TURN, 99, Step.WAIT),
        (BACKFILL_PAGE, Meaning.ABSENT, 3, Step.RETRY_REFUSAL),
        (BACKFILL_PAGE, Meaning.ABSENT, 4, Step.GIVE_UP),
        (BACKFILL_PAGE, Meaning.LIMITED, 99, Step.WAIT),
        (LOGGED_DELIVERY, Meaning.MALFORMED, 0, Step.GIVE_UP),
        (BACKFILL_PAGE, Meaning.UNKNOWN, 99, Step.GIVE_UP),
        (LOGGED_DELIVERY, Meaning.UNKNOWN, 99, Step.GIVE_UP),
    ],
)
def test_a_read_goes_on_by_its_table(
    steps: Any, meaning: Meaning, attempts: int, expected: Step
) -> None:
    assert step(steps, meaning, attempts) is expected


@pytest.mark.parametrize(
    ("status", "words", "expected"),
    [
        (410, "Issues are disabled for this repo", True),
        (410, "Issues has been disabled in this repository.", True),
        (404, "Projects are disabled for this repository", True),
        (410, "This issue was deleted", False),
        (404, "Not Found", False),
        # It may quote what somebody wrote.
        (422, "Label disabled already exists", False),
        (200, "disabled", False),
    ],
)
def test_a_feature_that_is_turned_off_is_told_from_a_deletion(
    status: int, words: str, *, expected: bool
) -> None:
    answer = Answer(status, {}, {"message": words})
    assert features.is_off(classify(answer)) is expected
