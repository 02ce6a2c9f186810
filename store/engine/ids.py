"""Ids of our own that sort by age: a letter for the kind, then time, a count and chance."""

import itertools
import re
import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
# Two digits at once take half of the time.
PAIRS = [high + low for high in ALPHABET for low in ALPHABET]
# Ids of one transaction have one time, and the count keeps them in order.
MADE = itertools.count(secrets.randbits(23))


def made_at(now: int) -> re.Pattern[str]:
    """The ids that were made at this time, which is the same in a whole transaction."""
    prefix = "".join(PAIRS[(now << 40) >> shift & 1023] for shift in range(90, 30, -10))
    return re.compile(rf"[a-z]+_{prefix}[{ALPHABET}]{{8}}")


def first(kind: str, at: int) -> str:
    """The smallest id that could be made at a time."""
    return f"{kind}_{''.join(PAIRS[(at << 40) >> shift & 1023] for shift in range(90, -1, -10))}"


def new(kind: str, now: int) -> str:
    """`kind` is one letter; `now` in microseconds. 20 characters after the underscore."""
    number = (now << 40) | (next(MADE) % (1 << 24) << 16) | secrets.randbits(16)
    pairs = [PAIRS[number >> shift & 1023] for shift in range(90, -1, -10)]
    return f"{kind}_{''.join(pairs)}"
