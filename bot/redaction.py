"""Removes secrets and control characters from texts that are logged or shown."""

import json
import re

from bot import secret_formats

# GitHub's tokens, JWTs, our own tokens, and everything after Bearer.
SECRETS = re.compile(
    r"gh[a-z]_[A-Za-z0-9_.\-]+|github_pat_\w+|eyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_.\-]+"
    r"|hubbub_[0-9a-f]{20}_[A-Za-z0-9_\-]+|(?<=Bearer )[A-Za-z0-9_.\-]+"
)


def redact(text: str) -> str:
    return secret_formats.mask(SECRETS.sub("…", text))[0]


def printable(text: str) -> str:
    r"""The text with what cannot be seen written as in JSON: the escape character is \u001b."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def printable_lines(text: str) -> str:
    """The same for a text of several lines."""
    return "\n".join(printable(line) for line in text.split("\n"))
