"""An issue of a foreign tracker as Hubbub keeps it, whatever the tracker."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

ForeignState: TypeAlias = Literal["open", "closed"]
# GitHub takes 65,536 characters in a body, and Hubbub's own words stand before them.
LONGEST_BODY = 60_000
LONGEST_TITLE = 240


@dataclass(frozen=True)
class Content:
    """What of the issue matters here. `confidential`: only members there may see it."""

    title: str
    body: str
    author: str
    labels: tuple[str, ...]
    state: ForeignState
    confidential: bool = False
    # Closed because it is now another issue, or is the same as one.
    moved: bool = False

    @property
    def hash(self) -> str:
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class ForeignIssue:
    """`version`: when it changed last, in microseconds of the other side's clock."""

    id: str
    number: int
    url: str
    version: int
    created_at: int
    content: Content


def content_of(stored: dict[str, Any]) -> Content:
    return Content(**{**stored, "labels": tuple(stored["labels"])})


@dataclass(frozen=True)
class Account:
    """Who Hubbub is there, and the project that it reads."""

    user_id: int
    user: str
    project: str
    project_name: str
