"""Hidden markers by which Hubbub recognises the texts that it wrote.

They are signed, because anybody could invent one. Hubbub accepts them only in texts of its own bot
user, because anybody can copy a marker that they saw: see `bot.comments.authorship`.
"""

import hmac
import re
from dataclasses import dataclass

from bot.identity.keyring import Keys

MARK = re.compile(r"<!-- hubbub:(\w+)=(\w+) ([0-9a-f]{16}) -->")
# Every text by Hubbub begins with its markers.
HEAD = re.compile(rf"(?:{MARK.pattern}\s*)+")


@dataclass(frozen=True)
class Marker:
    kind: str
    id: str


def write(keys: Keys, kind: str, id_: str) -> str:
    return f"<!-- hubbub:{kind}={id_} {_signature(keys, kind, id_)} -->"


def find(keys: Keys, text: str, *, ours: bool) -> list[Marker]:
    """The valid markers at the head of a text. What follows the head is an agent's own text.

    `ours`: whether our bot user wrote the text.
    """
    if not ours:
        return []
    return [
        Marker(kind, id_)
        for kind, id_, signature in MARK.findall(_head(text))
        if any(hmac.compare_digest(signature, _signature(k, kind, id_)) for k in keys.all_keys)
    ]


def unverified_id(text: str, kind: str) -> str | None:
    """The id in the first marker of this kind, without a check of its signature.

    Use it only for a text of our bot user, and look up what the id names.
    """
    return next((id_ for found, id_, _ in MARK.findall(_head(text)) if found == kind), None)


def _head(text: str) -> str:
    found = HEAD.match(text)
    return found.group() if found else ""


def _signature(keys: Keys, kind: str, id_: str) -> str:
    return keys.sign("markers", f"{kind}={id_}")[:16]
