"""Readers for GitHub's JSON. Any field may be null, and old payloads lack some fields."""

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

from bot.times import parse
from store.engine.transaction import Row
from store.mirror.version_guard import version
from store.tables.columns import Authored

Json: TypeAlias = Any
BIGGEST = 2**63 - 1
BOT_SUFFIX = "[bot]"
# The year 2100. A later time cannot be right, and no later change would ever count as newer.
NEVER = 4_102_444_800_000_000


class Malformed(Exception):
    """GitHub's JSON lacks a value that the mirror needs. The text names it."""


@dataclass(frozen=True)
class Mirrored:
    table: str
    row: Row


def at(value: Json, *path: str) -> Json:
    """The value at the end of a path of keys. None if a key on the path is missing."""
    for each in path:
        value = value.get(each) if isinstance(value, dict) else None
    return value


def text(value: Json, longest: int | None = None) -> str:
    """A text; empty for anything else. Lone surrogates become `?`, as UTF-8 cannot hold them."""
    if not isinstance(value, str):
        return ""
    return value.encode("utf-8", "replace").decode()[:longest]


def number(value: Json, name: str) -> int:
    """An id or a number. Raise Malformed."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= BIGGEST:
        return value
    raise Malformed(f"{name} must be a whole number from 0 to 2**63 - 1")


def name(value: Json, of: str, longest: int = 100) -> str:
    """A text that must not be empty. Raise Malformed."""
    found = text(value, longest)
    if not found:
        raise Malformed(f"{of} must be a text that is not empty")
    return found


def maybe_number(value: Json) -> int | None:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= BIGGEST
    return value if good else None


def maybe_flag(value: Json) -> bool | None:
    return value if isinstance(value, bool) else None


def time(value: Json) -> int:
    return maybe_time(value) or 0


def maybe_time(value: Json) -> int | None:
    """Microseconds of an ISO 8601 time, or of epoch seconds as in push events; else None."""
    if isinstance(value, int) and not isinstance(value, bool):
        found = value * 1_000_000
    else:
        try:
            found = parse(value) if isinstance(value, str) else -1
        except (ValueError, OverflowError):
            return None
    return found if 0 <= found < NEVER else None


def names(value: Json, of: str) -> str:
    """The names in a list, as sorted JSON, because GitHub's order has no meaning."""
    found = {text(at(each, of), 255) for each in value} if isinstance(value, list) else set()
    return json.dumps(sorted(found - {""}), ensure_ascii=False)


def login(value: Json) -> str:
    """The login of an account. That of a bot always ends in [bot], which GitHub leaves out at some.

    Copilot is such a one. No person's login has brackets.
    """
    found = text(at(value, "login"), 100)
    is_short = at(value, "type") == "Bot" and found and not found.endswith(BOT_SUFFIX)
    return found[: 100 - len(BOT_SUFFIX)] + BOT_SUFFIX if is_short else found


def logins(value: Json) -> str:
    """The logins in a list, as `names` has names."""
    found = {login(each) for each in value} if isinstance(value, list) else set()
    return json.dumps(sorted(found - {""}), ensure_ascii=False)


def author(value: Json) -> Authored:
    return {
        "author": login(at(value, "user")),
        "author_id": maybe_number(at(value, "user", "id")) or 0,
        "author_association": text(at(value, "author_association"), 40) or "NONE",
    }


def with_version(
    table: str, row: Row, updated_at: int, *, deleted: bool = False, read_at: int = 0
) -> Mirrored:
    guard = version(row, updated_at, deleted=deleted, read_at=read_at)
    return Mirrored(table, {**row, "deleted": int(deleted), "version": guard})
