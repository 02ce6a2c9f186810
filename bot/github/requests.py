"""A request to GitHub and its answer as values, and the errors when no answer comes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GRAPHQL = "/graphql"
# An address may have commas and semicolons, and so may a parameter in quotes.
LINK = re.compile(r'<([^<>]*)>((?:"[^"]*"|[^",])*)')
PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*(?:"([^"]*)"|([^\s;"]*))')


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
    """The address of the next page of a list, or of its last page (RFC 8288)."""
    for address, parameters in LINK.findall(answer.headers.get("Link", "")):
        for name, quoted, bare in PARAMETER.findall(parameters):
            if name.lower() == "rel" and rel in (quoted or bare).lower().split():
                return str(address)
    return None


def next_page(answer: Answer, here: str) -> str | None:
    """The page after this one, or None. A page may be empty and yet have a next one.

    None if the link leads back to the page itself: lists do not end where GitHub says so.
    """
    following = link(answer)
    return following if following != here else None
