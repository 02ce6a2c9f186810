"""Addresses in a text of GitLab: paths lead to GitLab, and those of GitHub link nothing there.

GitHub adds a line to each issue that a text links to. It adds none for `redirect.github.com`, which
leads to the same page.
"""

import html
import re
from urllib.parse import quote, urljoin

from bot.trackers.outside_code import replace

# Where a link leads: behind its text, in a definition, in brackets, or in HTML.
DESTINATION = re.compile(
    r"(?P<before>\]\(\s{0,3}<?|^ {0,3}\[(?!\^)[^\]\n]{1,200}\]:[ \t]{0,3}<?|<(?=https?:)|"
    r"\b(?:src|href)=[\"'])(?P<address>[^\s<>()\"']+)(?=>?[ \t\n]{0,3}(?:[)\"'(]|$)|>)",
    re.MULTILINE,
)
# A file that was uploaded to the project.
UPLOAD = re.compile(r"/uploads/[0-9a-f]{32}/")
ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|#")
ESCAPED = re.compile(r"\\(?=[!-/:-@\[-`{-~])")
GITHUB = re.compile(
    r"(?i)(?:(?P<scheme>(?:https?:)?//)(?:[\w.~-]{0,99}@)?|(?<![\w./@-])(?=www\.))"
    r"(?:www\.)?github\.com(?::443)?(?=/[\w.-]+/[\w.-]+/)"
)
KEPT = "/:?#[]@!$&*+,;=%~-._"


def repair(text: str, base: str) -> str:
    """`base`: the address of the project."""
    made = replace(text, DESTINATION, lambda each: each["before"] + _address(each["address"], base))
    return replace(made, GITHUB, _redirect)


def without_github(text: str) -> str:
    return GITHUB.sub(_redirect, text)


def _redirect(found: re.Match[str]) -> str:
    return f"{found['scheme'] or 'https://'}redirect.github.com"


def _address(given: str, base: str) -> str:
    """The destination as it is, unless it is a path there or hides an address of GitHub."""
    meant = ESCAPED.sub("", html.unescape(given))
    if UPLOAD.match(meant):
        return f"{base}{given}"
    if ABSOLUTE.match(meant):
        return quote(meant, KEPT) if meant != given and GITHUB.search(meant) else given
    return urljoin(f"{base}/-/blob/HEAD/", quote(meant, KEPT))
