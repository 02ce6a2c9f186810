"""A request to GitHub and its answer as values, and the errors when no answer comes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.github.payloads import at

GRAPHQL = "/graphql"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Any = None


@dataclass(frozen=True)
class Answer:
    """GitHub's answer, whatever its status.

    `headers` is a mapping that ignores letter case. `data` is the JSON of the body, or its text
    if it is not JSON, or None if it is empty. `size` is the body's size in bytes.
    """

    status: int
    headers: Mapping[str, str]
    data: Any
    size: int = 0


class NoAnswer(Exception):
    """GitHub did not answer the request."""


class Unreachable(NoAnswer):
    """The request was certainly not sent."""


class OutcomeUnknown(NoAnswer):
    """The request was sent, or may have been sent, and no answer came."""


class TokenRefused(NoAnswer):
    """GitHub gives this installation no token, so the request was not sent.

    The installation was removed or suspended, or the App's key is wrong.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}".strip())
        self.status = status
        self.message = message


def link(answer: Answer, rel: str = "next") -> str | None:
    """The address of the next page of a list, or of its last page."""
    for part in answer.headers.get("Link", "").split(","):
        address, _, rest = part.partition(";")
        if f'rel="{rel}"' in rest:
            return address.strip(" <>")
    return None


def next_page(answer: Answer, here: str, items: str | None = None) -> str | None:
    """The page after this one; None if this one is empty or its link leads back to itself."""
    following = link(answer)
    page = at(answer.data, items) if items else answer.data
    return following if page and following != here else None
