"""Money as whole millionths of a currency, so that sums are exact, and the caps on it."""

import re
from dataclasses import dataclass, fields
from decimal import Decimal

MICRO = 1_000_000
MILLIONTH = Decimal("0.000001")
# An amount as people and agents write it: no sign, no exponent, at most six decimals.
AMOUNT = r"^[0-9]{1,6}(\.[0-9]{1,6})?$"
AMOUNT_WORDS = "must be an amount such as 12 or 0.0125: at most six digits before and after the dot"
CURRENCY = r"^[A-Z]{3}$"


def micros(amount: str) -> int:
    """The millionths in an amount."""
    whole, _, part = amount.partition(".")
    return int(whole) * MICRO + int(part.ljust(6, "0"))


def amount(value: int) -> str:
    """The amount of so many millionths, with at least two decimals: 12.50 or 0.000125."""
    whole, part = divmod(value, MICRO)
    return f"{whole}.{f'{part:06}'[:2]}{f'{part:06}'[2:].rstrip('0')}"


def with_currency(value: int, currency: str) -> str:
    return f"{amount(value)} {currency}"


def from_number(value: object) -> object:
    """A number of JSON as an amount in whole millionths; anything else as it is.

    Programs add floats, and 0.1 + 0.2 is 0.30000000000000004. A text is what somebody wrote.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    exact = Decimal(repr(value))
    is_small = exact.is_finite() and abs(exact) < MICRO
    return format(exact.quantize(MILLIONTH) if is_small else exact, "f")


@dataclass(frozen=True)
class Caps:
    """The caps of the process, in millionths of the currency; None: no cap.

    `task`: on each task. `agent` and `installation`: on a day of each.
    """

    currency: str = "USD"
    task: int | None = None
    agent: int | None = None
    installation: int | None = None


NAMES = tuple(each.name for each in fields(Caps) if each.name != "currency")


def parse_caps(text: str, currency: str = "USD") -> Caps:
    """The caps from `task=20, agent=100`. Raise ValueError."""
    found: dict[str, int] = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (part.strip() for part in each.partition("="))
        if name not in NAMES or name in found:
            raise ValueError(f"has {each!r}; write each of {', '.join(NAMES)} at most once")
        if not re.fullmatch(AMOUNT, value) or not micros(value):
            raise ValueError(f"has {each!r}; write an amount above 0, such as {name}=20")
        found[name] = micros(value)
    return Caps(currency, **found)
