"""The spans of writes that are sent to GitHub, and how they ended."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from bot import tracing
from bot.outbox.outcomes import Cancelled, Dead, Final, PutOff, Refused, Sent
from bot.tracing import Span
from store.tables.outbox import WriteRow


def of_write(write: WriteRow) -> AbstractContextManager[Span]:
    """A write goes on with the trace of the call or the delivery that queued it."""
    return tracing.span(
        f"send {write['kind']}",
        "client",
        parent=write["trace"],
        messaging__operation__type="send",
        messaging__destination__name="github",
        messaging__message__id=write["id"],
        hubbub__write__kind=write["kind"],
        hubbub__write__attempt=write["attempts"],
        hubbub__write__author=write["author"],
        hubbub__installation__id=write["installation_id"],
    )


def of_writes(writes: Sequence[WriteRow]) -> AbstractContextManager[Span]:
    """Writes of several traces in one request: a trace of its own, with links to theirs."""
    return tracing.span(
        "send writes",
        "client",
        links=[each["trace"] for each in writes],
        messaging__operation__type="send",
        messaging__destination__name="github",
        messaging__batch__message_count=len(writes),
        hubbub__installation__id=writes[0]["installation_id"],
    )


def add_outcome(span: Span, decision: Final | None) -> None:
    span.set(hubbub__write__state=_state(decision))
    if error := _error(decision):
        span.fail(error)


def add_outcomes(span: Span, decisions: Sequence[Final]) -> None:
    span.set(hubbub__write__state=" ".join(sorted({_state(each) for each in decisions})))
    if errors := sorted(filter(None, map(_error, decisions))):
        span.fail(errors[0])


def _state(decision: Final | None) -> str:
    match decision:
        case Sent():
            return "sent"
        case PutOff():
            return decision.state
        case Refused():
            return "refused"
        case Dead():
            return "dead"
        case Cancelled():
            return "cancelled"
    return "queued"


def _error(decision: Final | None) -> str | None:
    """A code. The words of GitHub may quote those of people."""
    if isinstance(decision, Refused | Dead | Cancelled):
        return str(decision.error.get("code", "unknown"))
    if isinstance(decision, PutOff) and (decision.failed or decision.state == "unknown"):
        return "github_unclear"
    return None
