"""The errors that GitHub lists in an answer's body, each as a value. Pure.

GraphQL answers with status 200 and says in the body what went wrong. REST lists the reasons of a
422 in the same place.
"""

import re
from dataclasses import dataclass
from typing import Any

from bot.github.payloads import at, text

# The status that REST would have for an error of GraphQL.
STATUS_OF_TYPE = {
    "NOT_FOUND": 404,
    "FORBIDDEN": 403,
    "INSUFFICIENT_SCOPES": 403,
    "STALE_DATA": 409,
    "UNPROCESSABLE": 422,
}
OTHER_TYPE = 422
LIMIT = 429
# GitHub failed by itself, so nobody knows whether the request was carried out.
TROUBLE = 500
# GitHub has several spellings: RATE_LIMITED, RATE_LIMIT, graphql_rate_limit.
LIMIT_TYPE = re.compile(r"(\w+_)?RATE_?LIMIT(ED|_EXCEEDED|_REACHED)?|ABUSE(_DETECTED)?")
TROUBLE_TYPE = re.compile(r".*(UNAVAILABLE|INTERNAL|TIME_?D?_?OUT|SERVER_ERROR|RESOURCE_LIMIT).*")
# Matched from the first letter on: elsewhere these words may be a quotation of somebody's text.
LIMIT_WORDS = re.compile(
    r"api rate limit (already )?exceeded"
    r"|you have exceeded a secondary rate limit"
    r"|you have triggered an abuse detection"
    r"|you have been temporarily blocked from content creation"
    # The whole message, because a path or a title may have these words too.
    r"|(\w+ )?was submitted too quickly\W*$",
    re.IGNORECASE,
)
TROUBLE_WORDS = re.compile(
    r"something went wrong|\btime(d )?[ -]?out\b|respond to your request in time"
    r"|try (your request )?again|internal (server )?error|server error|unexpected error"
    r"|(service|temporarily|currently) unavailable|no server is (currently )?available",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Entry:
    """One error. `types` are its type and its codes, in capital letters.

    `field` is the field of a GraphQL document that it is about, or empty.
    """

    types: tuple[str, ...]
    words: str
    field: str = ""

    @property
    def status(self) -> int:
        """The status that REST would have given."""
        if says_wait(self.words) or any(LIMIT_TYPE.fullmatch(each) for each in self.types):
            return LIMIT
        for each in self.types:
            if TROUBLE_TYPE.fullmatch(each):
                return TROUBLE
            if each in STATUS_OF_TYPE:
                return STATUS_OF_TYPE[each]
        return OTHER_TYPE if self.words and not TROUBLE_WORDS.search(self.words) else TROUBLE


def says_wait(words: str) -> bool:
    return LIMIT_WORDS.match(words) is not None


def entries(data: Any) -> list[Entry]:
    errors = at(data, "errors")
    return [_entry(each) for each in errors] if isinstance(errors, list) else []


def _entry(error: Any) -> Entry:
    named = [at(error, "type"), at(error, "code"), at(error, "extensions", "code")]
    types = tuple(text(each).strip().upper() for each in named if text(each).strip())
    path = at(error, "path")
    field = text(path[0]) if isinstance(path, list) and path else ""
    return Entry(types, text(at(error, "message")) or text(error), field)


def message(data: Any) -> str:
    """GitHub's words: the message, and what it says of each error."""
    errors = at(data, "errors")
    each = [_in_words(error) for error in errors] if isinstance(errors, list) else []
    return " ".join(part for part in (text(at(data, "message")), *each) if part)[:1000]


def _in_words(error: Any) -> str:
    if isinstance(error, str):
        return text(error)
    found = (text(at(error, name)) for name in ("type", "field", "code", "message"))
    return " ".join(each for each in found if each)
