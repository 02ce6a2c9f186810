"""How a step of a delivery ended, and what follows."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from bot.times import SECOND

# Failures in a row, and the wait after each, in seconds.
MOST_FAILURES = 6
WAITS_S = (10, 30, 90, 300, 900)
# The longest wait that the other side may ask for.
LONGEST_WAIT_S = 3600


@dataclass(frozen=True)
class Delivered:
    """The other side has it, or has done it."""

    remote_id: str | None = None
    data: Any = None


@dataclass(frozen=True)
class Later:
    """It goes well and is not at its end: look again after so many seconds."""

    after_s: float
    remote_id: str | None = None
    data: Any = None


@dataclass(frozen=True)
class Failed:
    """It is tried again. `wait_s`: how long the other side asked to wait."""

    why: str
    wait_s: float = 0
    data: Any = None


@dataclass(frozen=True)
class Rejected:
    """It is not tried again: the same would happen."""

    why: str
    data: Any = None


@dataclass(frozen=True)
class Dropped:
    """It is no longer wanted, or somebody else goes on with it."""

    why: str = ""


Outcome: TypeAlias = Delivered | Later | Failed | Rejected | Dropped


def next_attempt(failed: Failed, failures: int, now: int) -> int | None:
    """When to try again after so many failures in a row; None: never."""
    if failures >= MOST_FAILURES:
        return None
    wait_s = max(WAITS_S[failures - 1], min(failed.wait_s, LONGEST_WAIT_S))
    return now + int(wait_s * SECOND)
