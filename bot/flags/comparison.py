"""Whether calls fail more often with a flag on than with it off. Pure."""

import math

from store.flags.flag_counts import Count

# Fewer calls or errors say nothing.
FEWEST_CALLS = 50
FEWEST_ERRORS = 5
# A smaller difference of the error rates is not worth a fall-back.
SMALLEST_DIFFERENCE = 0.01
# In standard errors. Hubbub looks twice a minute, so a value such as 1.96 would often be met by
# chance; `tests/flags/test_comparison.py` measures how often this one is.
SIGNIFICANT = 4.5


def is_worse(on: Count, off: Count) -> bool:
    """Whether the error rate with the flag on is greater, and not by chance.

    A one-sided test of two proportions with Yates's correction (Fleiss, Statistical Methods for
    Rates and Proportions, chapter 3).
    """
    if min(on.calls, off.calls) < FEWEST_CALLS or on.errors < FEWEST_ERRORS:
        return False
    difference = on.errors / on.calls - off.errors / off.calls
    if difference < SMALLEST_DIFFERENCE:
        return False
    share = (on.errors + off.errors) / (on.calls + off.calls)
    inverse = 1 / on.calls + 1 / off.calls
    spread = math.sqrt(share * (1 - share) * inverse)
    return spread == 0 or (difference - inverse / 2) / spread > SIGNIFICANT


def describe(on: Count, off: Count) -> str:
    """The evidence, in words."""
    return (
        f"With it on {on.errors} of {on.calls} calls failed ({_percent(on)}), with it off "
        f"{off.errors} of {off.calls} ({_percent(off)})."
    )


def _percent(count: Count) -> str:
    return f"{100 * count.errors / count.calls:.1f} %" if count.calls else "no calls"
