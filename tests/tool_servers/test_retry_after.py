"""How long a server asks to wait, as a number or a date."""

import pytest

from bot.times import retry_after

# 2026-11-21 15:42:00 UTC.
NOW = 1_795_275_720


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (" 120 ", 120),
        ("9" * 40, 999_999_999),
        ("Sat, 21 Nov 2026 15:43:00 GMT", 60),
        # Without a zone it is UTC, as HTTP demands.
        ("Sat, 21 Nov 2026 15:43:00", 60),
        ("Sat, 21 Nov 2026 15:41:00 GMT", 0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("Sat, 21 Nov 99999999999 15:43:00 GMT", None),
    ],
)
def test_a_wait_is_read_as_http_has_it(header: str, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds
