"""Times: microseconds UTC inside, ISO 8601 outside."""

from datetime import UTC, datetime

SECOND = 1_000_000


def stamp(at: int) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).isoformat(timespec="milliseconds")


def utc(at: int) -> str:
    """As GitHub takes it: whole seconds, rounded down."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parsed(text: str) -> int:
    """GitHub's timestamps to microseconds; some old payloads carry epoch seconds."""
    return round(datetime.fromisoformat(text).timestamp() * SECOND)
