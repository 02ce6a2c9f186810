"""Times. Hubbub computes with microseconds UTC, and shows ISO 8601."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

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


def http_date(text: str) -> float | None:
    """Seconds since 1970 of a date in a header of HTTP. None: it cannot be read."""
    try:
        at = parsedate_to_datetime(text)
    # A number that is too large for a date is an OverflowError.
    except (ValueError, TypeError, OverflowError):
        return None
    return at.replace(tzinfo=at.tzinfo or UTC).timestamp()


def retry_after(header: str, now: float) -> float | None:
    """Seconds that the header `Retry-After` asks to wait, as a number or a date; None without any.

    `now`: seconds since 1970. What the header asks for has no bound.
    """
    text = header.strip()
    if text.isdecimal():
        return float(text[:9])
    at = http_date(text)
    return None if at is None else max(0.0, at - now)
