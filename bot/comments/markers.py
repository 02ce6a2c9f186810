"""Hidden marks in the texts that the bot writes, by which it knows its own again.

Signed, because anybody could make one up; and believed only of a bot, because anybody can paste
what they have seen. No person's login can end in `[bot]`.
"""

import hmac
import re
from dataclasses import dataclass

from bot.identity.keyring import Keys

MARK = re.compile(r"<!-- hubbub:(\w+)=(\w+) ([0-9a-f]{16}) -->")
# A text of ours begins with its marks.
HEAD = re.compile(rf"(?:{MARK.pattern}\s*)+")


@dataclass(frozen=True)
class Marker:
    kind: str
    id: str


def write(keys: Keys, kind: str, id_: str) -> str:
    return f"<!-- hubbub:{kind}={id_} {_signature(keys, kind, id_)} -->"


def find(keys: Keys, text: str, author: str) -> list[Marker]:
    """Those that we signed, at the head of a text of this author's: what follows is an agent's."""
    if not author.endswith("[bot]"):
        return []
    return [
        Marker(kind, id_)
        for kind, id_, signature in MARK.findall(_head(text))
        if any(hmac.compare_digest(signature, _signature(k, kind, id_)) for k in keys.known)
    ]


def claimed(text: str, kind: str) -> str | None:
    """The id in a text's first mark of this kind, not verified: of a bot's text alone."""
    return next((id_ for found, id_, _ in MARK.findall(_head(text)) if found == kind), None)


def _head(text: str) -> str:
    found = HEAD.match(text)
    return found.group() if found else ""


def _signature(keys: Keys, kind: str, id_: str) -> str:
    return keys.sign("markers", f"{kind}={id_}")[:16]
