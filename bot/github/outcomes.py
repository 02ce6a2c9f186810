"""What GitHub's answer to a request means, decided in one place and without any I/O.

Writes, reads, backfill and the search for missed deliveries all ask this module. What each of them
does about a meaning is a table of its own: `bot.outbox.outcomes` and `bot.fetch.steps`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.github import error_entries, rate_limits
from bot.github.error_entries import LIMIT, OTHER_TYPE, TROUBLE
from bot.github.payloads import at, text
from bot.github.requests import Answer, NoAnswer, OutcomeUnknown, TokenRefused


class Meaning(StrEnum):
    # GitHub did what the request asks for.
    DONE = "done"
    # Not an answer of GitHub's to the request, such as a success whose body is not what the request
    # asks for, or a redirect elsewhere. A proxy may have answered.
    MALFORMED = "malformed"
    # GitHub says wait. The request was not carried out.
    LIMITED = "limited"
    # The thing is not there, or the App may not see it.
    ABSENT = "absent"
    # The App may not do this.
    FORBIDDEN = "forbidden"
    # GitHub says no for another reason.
    REFUSED = "refused"
    # GitHub has closed the repository for a legal reason. To ask again does not help.
    BLOCKED = "blocked"
    # The request may or may not have been carried out.
    UNKNOWN = "unknown"
    # GitHub gives no token, does not accept its own, or accepts none from this machine. The request
    # was not carried out.
    NO_TOKEN = "no_token"  # noqa: S105
    # GitHub cannot be reached. The request was not sent.
    AWAY = "away"
    # This process lost its turn on the channel. The request was not sent.
    NO_TURN = "no turn"


# What a status means; any other means what its hundred means. A limit goes before all of these.
STATUSES = {
    401: Meaning.NO_TOKEN,
    403: Meaning.FORBIDDEN,
    404: Meaning.ABSENT,
    410: Meaning.ABSENT,
    451: Meaning.BLOCKED,
}
HUNDREDS = {
    2: Meaning.DONE,
    # The client follows a redirect to where GitHub moved a thing. What redirects elsewhere or in a
    # circle is a server before GitHub, which says nothing about the request.
    3: Meaning.MALFORMED,
    4: Meaning.REFUSED,
    5: Meaning.UNKNOWN,
}
OK = 200
# A repository without a commit has no branch, no file and no commit.
EMPTY = "git repository is empty"
# A token that GitHub gave before the suspension gets this answer to every request.
SUSPENDED = "this installation has been suspended"
# An organization that accepts requests only from some IP addresses gives this answer to every
# request from another one, in REST and in GraphQL.
NOT_ON_ALLOW_LIST = "has an ip allow list enabled"
NO_ANSWER = Answer(0, {}, None)


@dataclass(frozen=True)
class Outcome:
    """The meaning of an answer, or of no answer.

    `status` is the one that REST would have given, 0 without an answer. `words` are GitHub's
    message, or the reason why no answer came. `token_status`: with which GitHub refused a token.
    """

    meaning: Meaning
    words: str
    status: int = 0
    answer: Answer = NO_ANSWER
    token_status: int = 0

    @property
    def has_answer(self) -> bool:
        return self.answer is not NO_ANSWER

    @property
    def data(self) -> Any:
        return self.answer.data

    @property
    def why(self) -> str:
        """One line for a log and for the row that waits."""
        return f"{self.answer.status or self.meaning.value}: {self.words}"


def classify(answer: Answer, fits: Callable[[Any], bool] = lambda _: True) -> Outcome:
    """The meaning of an answer. `fits` tells whether a body is what the request asks for."""
    status, words = status_of(answer), error_entries.message(answer.data)
    if status != answer.status == OK and _has_data(answer.data) and fits(answer.data):
        # GraphQL did what was asked. The errors are about something else, such as a field that
        # the App may not read.
        return Outcome(Meaning.DONE, words, OK, answer)
    meaning = STATUSES.get(status) or HUNDREDS.get(status // 100, Meaning.UNKNOWN)
    if status == 403 and words.casefold().startswith(SUSPENDED):
        return Outcome(Meaning.NO_TOKEN, words, status, answer, token_status=status)
    if status == 403 and is_shut_out(words):
        return Outcome(Meaning.NO_TOKEN, words, status, answer)
    if status == 409 and words.casefold().startswith(EMPTY):
        meaning = Meaning.ABSENT
    if rate_limits.is_limit(status, answer.headers, words):
        meaning = Meaning.LIMITED
    elif meaning is Meaning.DONE and not fits(answer.data):
        meaning = Meaning.MALFORMED
    return Outcome(meaning, words, status, answer)


def is_shut_out(words: str) -> bool:
    """Whether the organization accepts no request from this machine's IP address."""
    return NOT_ON_ALLOW_LIST in words.casefold()


def classify_failure(exc: NoAnswer) -> Outcome:
    """The meaning of no answer."""
    if isinstance(exc, OutcomeUnknown):
        return Outcome(Meaning.UNKNOWN, str(exc))
    if isinstance(exc, TokenRefused):
        return Outcome(Meaning.NO_TOKEN, str(exc), token_status=exc.status)
    return Outcome(Meaning.AWAY, str(exc))


NO_TURN = Outcome(Meaning.NO_TURN, "another request goes first")


def status_of(answer: Answer) -> int:
    """The answer's status, as REST would have given it: GraphQL reports errors with status 200.

    A limit is a 429, whatever GitHub calls it.
    """
    listed = _error_statuses(answer) if answer.status == OK else []
    if TROUBLE in listed:
        return TROUBLE
    if says_wait(answer):
        return LIMIT
    return next((each for each in listed if each != OTHER_TYPE), (listed or [answer.status])[0])


def says_wait(answer: Answer) -> bool:
    """Whether GitHub says in the body that a limit is reached."""
    if answer.status == OK:
        return LIMIT in _error_statuses(answer)
    words = text(at(answer.data, "message"))
    refused = 400 <= answer.status < 500
    return refused and (LIMIT in _error_statuses(answer) or error_entries.says_wait(words))


def _error_statuses(answer: Answer) -> list[int]:
    return [each.status for each in error_entries.entries(answer.data)]


def _has_data(data: Any) -> bool:
    found = at(data, "data")
    return isinstance(found, dict) and any(each is not None for each in found.values())
