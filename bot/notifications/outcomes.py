"""How an attempt to send a message ended, and what follows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bot import times
from bot.times import SECOND

# Attempts in all, and the wait after each failed one, in seconds.
MOST_ATTEMPTS = 8
WAITS_S = (10, 30, 90, 300, 900, 1800, 3600)
# The longest wait that a service may ask for.
LONGEST_WAIT_S = 6 * 3600
# The address is no longer there, and stays so.
GONE = (404, 410)


@dataclass(frozen=True)
class Sent:
    """`note`: what went wrong although it was sent, so that it is not sent again."""

    note: str = ""


@dataclass(frozen=True)
class Failed:
    """`wait_s`: how long the service asked to wait."""

    why: str
    wait_s: int = 0


@dataclass(frozen=True)
class Gone:
    why: str


Outcome: TypeAlias = Sent | Failed | Gone


def of_answer(status: int, headers: Mapping[str, str], text: str, now: float) -> Outcome:
    if 200 <= status < 300:
        return Sent()
    said = f": {text[:150]}" if text else ""
    why = f"it answered {status}{said}"
    if status in GONE:
        return Gone(why)
    if 300 <= status < 400:
        return Failed(f"it answered {status}; redirects are not followed")
    return Failed(why, retry_after(headers.get("Retry-After", ""), now))


def retry_after(value: str, now: float) -> int:
    """The seconds in the header, bounded. 0 without any."""
    return min(int(times.retry_after(value, now) or 0), LONGEST_WAIT_S)


def next_attempt(failed: Failed, attempts: int, now: int) -> int | None:
    """When to try again after so many attempts; None: never."""
    if attempts >= MOST_ATTEMPTS:
        return None
    return now + max(WAITS_S[attempts - 1], failed.wait_s) * SECOND
