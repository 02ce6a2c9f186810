"""The version of a row, which makes every order of deliveries give one result.

It is compared as text: deleted, then `updated_at`, then when the row was read from GitHub (0 for a
webhook), then the hash of its content. So a delete is final, a newer change wins, at equal times a
read settles it, and before that the greater hash holds for now.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def version(
    row: Mapping[str, Any], updated_at: int, *, deleted: bool = False, read_at: int = 0
) -> str:
    content = json.dumps(row, sort_keys=True, ensure_ascii=True, default=str)
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    return f"{int(deleted)}{updated_at:017d}{read_at:017d}{digest}"


def ties(new: str, old: str) -> bool:
    """Whether a webhook has other content of the same second. A read row never ties."""
    return new[:18] == old[:18] and read_at(new) == 0 and new[35:] != old[35:]


def has_time(guard: str) -> bool:
    """Whether the row has a time of GitHub. A row seen only inside other events has none."""
    return int(guard[1:18]) > 0


def read_at(guard: str) -> int:
    """When the row was read from GitHub; 0 if it came by a webhook."""
    return int(guard[18:35])


def hidden_version(row: Mapping[str, Any], read_at: int) -> str:
    """The version of a row that GitHub did not show then. A later answer has a greater one."""
    return f"{row['version'][:18]}{read_at:017d}{0:016d}"


def is_final(guard: str) -> bool:
    """Whether an event reported the deletion. A row that is only hidden may return."""
    return guard.startswith("1")
