"""Ids of our own: a letter for the kind, then time and chance, so that they sort by age."""

import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new(kind: str, now: int) -> str:
    """`kind` is one letter; `now` in microseconds. 20 characters after the underscore."""
    number = (now << 40) | secrets.randbits(40)
    digits = []
    for _ in range(20):
        number, low = divmod(number, 32)
        digits.append(ALPHABET[low])
    return f"{kind}_{''.join(reversed(digits))}"
