"""Pages of a list. An opaque cursor says where the page before ended."""

import base64
import binascii
from typing import Annotated, TypeAlias

from pydantic import Field

from bot.errors import Refused

Limit: TypeAlias = Annotated[int, Field(ge=1, le=100, description="at most this many, up to 100")]
Cursor: TypeAlias = Annotated[
    str | None,
    Field(max_length=500, description="next_cursor of the page before, even a short one"),
]

# The largest number for which the columns of both databases have room.
LARGEST = 2**63 - 1


def encode(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def decode(cursor: str | None) -> str:
    """The place; an empty string for the first page. Raise Refused for a wrong cursor."""
    if not cursor:
        return ""
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as exc:
        raise wrong_cursor() from exc


def decode_number(cursor: str | None) -> int | None:
    """The place, a number that the database can compare. None: the first page. Raise Refused."""
    place = decode(cursor)
    if not place:
        return None
    digits = place if place.isascii() and place.isdecimal() and len(place) < 20 else ""
    if not digits or int(digits) > LARGEST:
        raise wrong_cursor()
    return int(digits)


def wrong_cursor() -> Refused:
    return Refused(
        "invalid_arguments",
        "`cursor` is wrong. Pass one from an answer of this operation, unchanged, or leave it out.",
    )
