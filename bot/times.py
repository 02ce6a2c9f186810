"""Times. Hubbub computes with microseconds UTC, and shows ISO 8601."""

from datetime import UTC, datetime

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 24 * 3600 * SECOND
# Each unit in seconds, from the longest.
UNITS = ((86_400, "days"), (3600, "h"), (60, "min"))


def stamp(at: int) -> str:
    """The format that GitHub has: whole seconds, rounded down, as in 2026-11-21T15:42:00Z."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def minute(at: int) -> str:
    """For people: 2026-11-21 15:42 UTC."""
    return datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%d %H:%M UTC")


def span(length: int) -> str:
    """For people: 40 s, 15 min, 3 h or 2 days, rounded up."""
    seconds = max(0, -(-length // SECOND))
    for size, unit in UNITS:
        if seconds >= 2 * size:
            return f"{-(-seconds // size)} {unit}"
    return f"{seconds} s"


def parse(text: str) -> int:
    """Microseconds from a timestamp of GitHub."""
    return round(datetime.fromisoformat(text).timestamp() * SECOND)


def from_now(at: int, now: int) -> str:
    """For people: `in 15 min` or `15 min ago`."""
    words = span(abs(at - now))
    return f"in {words}" if at >= now else f"{words} ago"


# Units of a length of time that people type, in seconds.
TYPED = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "days": 86_400}


def seconds(text: str) -> int:
    """The seconds in 90s, 30m, 12h or 30d. Raise ValueError."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = text[len(number) :].strip()
    if not number.isdecimal() or len(number) > 9 or unit not in TYPED:
        raise ValueError(f"{text!r} is not a length of time. Write for example 12h or 30d.")
    return int(number) * TYPED[unit]
