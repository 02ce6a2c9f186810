"""Removes secrets from texts that are logged or shown."""

import re

# GitHub's tokens, JWTs, our own tokens, and everything after Bearer.
SECRETS = re.compile(
    r"gh[a-z]_[A-Za-z0-9_.\-]+|github_pat_\w+|eyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_.\-]+"
    r"|hubbub_[0-9a-f]{20}_[A-Za-z0-9_\-]+|(?<=Bearer )[A-Za-z0-9_.\-]+"
)


def redact(text: str) -> str:
    return SECRETS.sub("…", text)
