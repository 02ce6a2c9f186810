"""What agents get of a text that they must not trust: the part that people see on GitHub.

Comments in HTML and characters without a width are a way to say something to agents that no person
notices. Agents get the texts as JSON strings, which no text can end.
"""

import re
from dataclasses import dataclass

# Phones and copied pages put these around words, and nobody sees them.
INVISIBLE = r"\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
# They join letters and emoji in some languages, so they stay.
JOINERS = "\u200c\u200d"
# Also the letters of Unicode's tags, which show nothing and spell any text in ASCII, and halves of
# characters, which no text has outside of JSON.
UNSEEN = re.compile(
    rf"(?![{JOINERS}])[{INVISIBLE}\U000e0000-\U000e007f\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]+"
)
# GitHub shows nothing of a comment, nor of what follows one that nothing closes.
BEGIN, END = "<!--", "-->"
REMOVED = "[hidden text removed]"
LONGEST_PART = 512 * 1024


@dataclass(frozen=True)
class Bounded:
    """`left_out`: how many characters were cut from the end."""

    text: str
    left_out: int = 0


def visible(text: str) -> str:
    """Part by part, so that no search of a long text holds up other threads for long."""
    starts = range(0, len(text), LONGEST_PART)
    seen = "".join([UNSEEN.sub("", text[at : at + LONGEST_PART]) for at in starts])
    return _without_comments(seen)


def _without_comments(text: str) -> str:
    parts, at = [], 0
    while (begin := text.find(BEGIN, at)) >= 0:
        parts += [text[at:begin], REMOVED]
        end = text.find(END, begin + len(BEGIN))
        at = len(text) if end < 0 else end + len(END)
    return "".join([*parts, text[at:]]) if parts else text


def visible_part(text: str, longest: int) -> Bounded:
    seen = visible(text)
    return Bounded(seen[:longest], max(0, len(seen) - longest))
