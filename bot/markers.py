"""Hidden marks in the texts that the bot writes, by which it knows its own again.

Signed, because anybody could make one up; and believed only of a bot, because anybody can paste
what they have seen. No person's login can end in `[bot]`.
"""

import hmac
import re
from dataclasses import dataclass

from bot.keys import Keys

MARK = re.compile(r"<!-- hubbub:(\w+)=(\w+) ([0-9a-f]{16}) -->")


@dataclass(frozen=True)
class Marker:
    kind: str
    id: str


def write(keys: Keys, kind: str, id_: str) -> str:
    return f"<!-- hubbub:{kind}={id_} {_signature(keys, kind, id_)} -->"


def find(keys: Keys, text: str, author: str) -> list[Marker]:
    """Those that we signed, in a text of this author's."""
    if not author.endswith("[bot]"):
        return []
    return [
        Marker(kind, id_)
        for kind, id_, signature in MARK.findall(text)
        if hmac.compare_digest(signature, _signature(keys, kind, id_))
    ]


def claimed(text: str, kind: str) -> str | None:
    """The id in a mark of this kind, whoever made it: to be checked with what it names."""
    return next((id_ for found, id_, _ in MARK.findall(text) if found == kind), None)


def _signature(keys: Keys, kind: str, id_: str) -> str:
    return keys.sign("markers", f"{kind}={id_}")[:16]
