"""Times. Hubbub computes with microseconds UTC, and shows ISO 8601."""

from datetime import UTC, datetime

SECOND = 1_000_000


def stamp(at: int) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).isoformat(timespec="milliseconds")


def utc(at: int) -> str:
    """The format that GitHub accepts: whole seconds, rounded down."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parsed(text: str) -> int:
    """Microseconds from a timestamp of GitHub."""
    return round(datetime.fromisoformat(text).timestamp() * SECOND)
