"""A write's state machine: which state follows from what GitHub answered. Pure.

`begin` says how a write's turn starts, and `decide` what follows from an answer to its request.
`decide_unprepared` and `decide_look` do so for the reads before and after it. Each returns a
decision. `bot.outbox.sending` carries out the first three kinds of decision, which need GitHub once
more and lead to another one; `bot.outbox.effects.apply` stores the others.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from bot.github.outcomes import Meaning, Outcome, is_shut_out
from bot.kernel.sentences import with_full_stop
from bot.outbox import predecessors, refusals
from bot.outbox.kinds import Kind, Sending
from bot.times import SECOND
from store.tables.outbox import WriteRow

# Hubbub looks this often, this far apart, before it treats a write as missing.
LOOKS = 2
LOOK_EVERY = 5 * SECOND
# How long a look waits that could not be asked for.
LOOK_AGAIN = 30 * SECOND
LONGEST_WAIT = 300 * SECOND
# After about two hours without a clear answer a write is dead, and its author gets a notice.
MOST_FAILURES = 30
# Hubbub sends again this often after a 404, because not all of GitHub's servers know a new object
# at once. The same holds for these words, just after the author made a branch, a commit or another
# thing with Hubbub.
LAG_TRIES = 2
LAG_WORDS = re.compile(
    r"\b(head|base|sha) invalid\b|no commits between|does not exist|no ref found|no commit found"
    r"|not part of the pull request|could not resolve|expected branch to point to",
    re.IGNORECASE,
)
NOT_FOUND = 404


@dataclass(frozen=True)
class Send:
    """Send the write's request."""


@dataclass(frozen=True)
class Look:
    """Look whether the effect is there. `refusal`: GitHub's answer that says so."""

    refusal: Outcome | None = None


@dataclass(frozen=True)
class Explain:
    """Refuse the write, after asking GitHub how things are now."""

    refusal: Outcome


@dataclass(frozen=True)
class Sent:
    result: dict[str, Any]


@dataclass(frozen=True)
class PutOff:
    """Back into the queue for `wait` microseconds.

    `failed` counts as a failure. `give_back` returns what the request would have cost. `why` is
    for the log and for the author. `token_status`: with which GitHub refused a token.
    """

    state: Literal["queued", "unknown"]
    wait: int
    looks: int = 0
    failed: bool = False
    give_back: bool = False
    why: str = ""
    token_status: int = 0


@dataclass(frozen=True)
class Refused:
    error: dict[str, Any]


@dataclass(frozen=True)
class Dead:
    error: dict[str, Any]
    why: str


@dataclass(frozen=True)
class Cancelled:
    error: dict[str, Any]


Final: TypeAlias = Sent | PutOff | Refused | Dead | Cancelled
Decision: TypeAlias = Send | Look | Explain | Final


def is_failure(decision: Final) -> bool | None:
    """Whether GitHub refused the write or left its outcome open. None: it was not asked clearly."""
    match decision:
        case Sent():
            return False
        case Refused() | Dead():
            return True
        case PutOff() if decision.failed or decision.state == "unknown":
            return True
    return None


def only_looks(write: WriteRow) -> bool:
    """Whether the next request of this write only reads."""
    return bool(write["state"] == "unknown")


def begin(kind: Kind, sending: Sending) -> Decision:
    """How the turn of a write starts."""
    if only_looks(sending.write):
        if lacking := kind.lacks(sending):
            # After a restore: what it needs is looked for first.
            looks = sending.write["looks"]
            return PutOff("unknown", LOOK_EVERY, looks=looks, why=lacking)
        # A kind without a look does no harm when it is sent twice.
        return Look() if kind.look(sending) else PutOff("queued", LOOK_EVERY)
    if why := _why_unsendable(sending) or kind.unless(sending):
        message = with_full_stop(f"{predecessors.NOT_SENT}{why}")
        error = {"code": "github_refused", "message": message, "details": {}}
        return Refused(error)
    if lacking := kind.lacks(sending):
        return PutOff("queued", LOOK_EVERY, give_back=True, why=lacking)
    return Send()


def decide(kind: Kind, sending: Sending, outcome: Outcome) -> Decision:
    """What follows from the answer to a write's request."""
    if (
        outcome.status in kind.done
        and outcome.meaning is not Meaning.LIMITED
        and not _lags(sending, outcome)
    ):
        return Sent({"done": True})
    return AFTER_REQUEST[outcome.meaning](kind, sending, outcome)


def decide_unprepared(kind: Kind, sending: Sending, outcome: Outcome) -> Decision:
    """What follows when a read that the request needs did not bring what it needs."""
    return AFTER_PREPARING[outcome.meaning](kind, sending, outcome)


def decide_look(
    kind: Kind, sending: Sending, entries: list[Any], refusal: Outcome | None
) -> Decision:
    """What follows when a look listed these entries, after a refusal or an unknown outcome."""
    write = sending.write
    results = [kind.result(each) for each in entries if kind.found(sending, each)]
    for result in results:
        if is_complete(result):
            return Sent(result)
    if refusal is not None and write["failures"] >= kind.retries and not _lags(sending, refusal):
        return _refuse(kind, sending, refusal)
    looks = write["looks"] + 1
    believed = looks >= LOOKS or refusal is not None
    state: Literal["queued", "unknown"] = "queued" if believed else "unknown"
    return PutOff(state, LOOK_EVERY, looks=looks, failed=refusal is not None)


def decide_unlisted(write: WriteRow, outcome: Outcome) -> PutOff | Dead:
    """What follows when GitHub did not list what a look wants to look through."""
    if outcome.meaning is Meaning.NO_TURN:
        return PutOff("unknown", SECOND, looks=write["looks"])
    asked = outcome.meaning not in (Meaning.NO_TOKEN, Meaning.AWAY)
    if not asked and outcome.token_status != NOT_FOUND:
        # Nothing was asked, so nothing failed.
        looks, status = write["looks"], outcome.token_status
        return PutOff("unknown", LOOK_AGAIN, looks=looks, why=_why(outcome), token_status=status)
    why = f"GitHub did not list what Hubbub looked through ({outcome.why})"
    return fail(write, "unknown", why)


def fail(write: WriteRow, state: Literal["queued", "unknown"], why: str) -> PutOff | Dead:
    """After no clear answer, try again with longer and longer waits, and give up in the end."""
    # Hubbub looks for the effect of a write that it just sent, however often the write failed.
    was_looked_for = state != "unknown" or only_looks(write)
    if write["failures"] >= MOST_FAILURES + (0 if was_looked_for else LOOKS):
        last = with_full_stop(f"the last one: {why}")
        tried = f"Hubbub gave up after {MOST_FAILURES} failures; {last}"
        effect = " It is not known whether the write took effect." if state == "unknown" else ""
        return Dead({"code": "github_away", "message": tried + effect, "details": {}}, why)
    wait = _growing_wait(write["failures"])
    return PutOff(state, wait, looks=write["looks"], failed=True, why=why)


def _growing_wait(tries: int) -> int:
    return min(LOOK_EVERY << min(tries, 6), LONGEST_WAIT)


def is_complete(result: dict[str, Any]) -> bool:
    """Whether an answer had all that its kind keeps: then it is that kind's answer."""
    return all(value is not None for name, value in result.items() if name != "url")


def _why_unsendable(sending: Sending) -> str | None:
    """Why a write cannot be sent, if the write that it builds on did not take effect."""
    after = sending.arguments.get("after")
    if after is None or sending.before:
        return None
    return predecessors.obstacle(after, sending.predecessor)


def _take_result(kind: Kind, sending: Sending, outcome: Outcome) -> Decision:
    return Sent(kind.result(outcome.data) | kind.keeps(sending))


def _wait(_: Kind, __: Sending, ___: Outcome) -> Decision:
    return PutOff("queued", SECOND)


def _retry(_: Kind, sending: Sending, outcome: Outcome) -> Decision:
    return fail(sending.write, "queued", _why(outcome))


def _find_out(_: Kind, sending: Sending, outcome: Outcome) -> Decision:
    return fail(sending.write, "unknown", _why(outcome))


def _wait_for_github(_: Kind, sending: Sending, outcome: Outcome) -> Decision:
    """Nothing was sent. The write goes out when GitHub is back, even if that takes a day."""
    wait = SECOND << min(sending.write["attempts"], 6)
    return PutOff("queued", wait, give_back=True, why=_why(outcome))


def _wait_for_token(_: Kind, sending: Sending, outcome: Outcome) -> Decision:
    """Nothing was carried out. The write goes out when GitHub gives a token, however late.

    If GitHub does not know the installation, the App was uninstalled, and the write ends some day.
    """
    if outcome.token_status == NOT_FOUND:
        again = fail(sending.write, "queued", _why(outcome))
        return again if isinstance(again, Dead) else replace(again, token_status=NOT_FOUND)
    wait = _growing_wait(sending.write["attempts"])
    status = outcome.token_status
    return PutOff("queued", wait, give_back=True, why=_why(outcome), token_status=status)


def _read_again(kind: Kind, sending: Sending, outcome: Outcome) -> Decision:
    """Only a read may have been lost: the write itself was not sent."""
    again = _retry if outcome.has_answer else _wait_for_github
    return again(kind, sending, outcome)


def _look_or_refuse(kind: Kind, sending: Sending, outcome: Outcome) -> Decision:
    if kind.already(outcome.status, outcome.data) and kind.look(sending):
        return Look(outcome)
    return _refuse(kind, sending, outcome)


def _refuse(kind: Kind, sending: Sending, outcome: Outcome) -> Decision:
    """GitHub said no. What GitHub may only not know yet is tried again first."""
    if _lags(sending, outcome):
        return PutOff("queued", LOOK_EVERY, failed=True)
    if kind.needs_explaining(outcome.status, outcome.data) and kind.explain(sending):
        return Explain(outcome)
    return Refused(refusals.error_body(kind, outcome, {}))


def _lags(sending: Sending, outcome: Outcome) -> bool:
    """Whether GitHub may say no because it does not know yet what was made a moment ago."""
    words = sending.follows_own and LAG_WORDS.search(outcome.words)
    return bool(outcome.status == NOT_FOUND or words) and sending.write["failures"] < LAG_TRIES


def _why(outcome: Outcome) -> str:
    if outcome.meaning is Meaning.NO_TOKEN:
        if is_shut_out(outcome.words):
            return f"{outcome.words} {SHUT_OUT_REMEDY}"
        cause = TOKEN_CAUSES.get(outcome.token_status or outcome.status, "")
        said = with_full_stop(f"GitHub gives or accepts no token: {outcome.words}")
        return f"{said} {cause}".strip()
    return f"GitHub answered {outcome.status}" if outcome.has_answer else outcome.words


# By the status with which GitHub refuses a token.
TOKEN_CAUSES = {
    401: "The App's private key, its id or this machine's clock is wrong; `hubbub doctor` checks.",
    403: "An owner of the account lifts the suspension in the settings of the App's installation.",
    404: "The App may be uninstalled, or HUBBUB_GITHUB_APP_ID names another App.",
}
SHUT_OUT_REMEDY = "An owner of the organization adds this server's address to its IP allow list."

Rule: TypeAlias = Callable[[Kind, Sending, Outcome], Decision]
AFTER_REQUEST: Mapping[Meaning, Rule] = {
    Meaning.DONE: _take_result,
    # A server that is not GitHub may have answered, which says nothing about the effect.
    Meaning.MALFORMED: _find_out,
    Meaning.LIMITED: _wait,
    Meaning.ABSENT: _look_or_refuse,
    Meaning.FORBIDDEN: _look_or_refuse,
    Meaning.REFUSED: _look_or_refuse,
    Meaning.BLOCKED: _look_or_refuse,
    Meaning.UNKNOWN: _find_out,
    Meaning.NO_TOKEN: _wait_for_token,
    Meaning.AWAY: _wait_for_github,
    Meaning.NO_TURN: _wait_for_github,
}
AFTER_PREPARING: Mapping[Meaning, Rule] = {
    Meaning.MALFORMED: _retry,
    Meaning.LIMITED: _wait,
    Meaning.ABSENT: _refuse,
    Meaning.FORBIDDEN: _refuse,
    Meaning.REFUSED: _refuse,
    Meaning.BLOCKED: _refuse,
    Meaning.UNKNOWN: _read_again,
    Meaning.NO_TOKEN: _wait_for_token,
    Meaning.AWAY: _wait_for_github,
    Meaning.NO_TURN: _wait_for_github,
}
