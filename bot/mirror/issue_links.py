"""Finds the issues of a pull request: by closing keywords in its body, or its branch's name."""

import re
from dataclasses import dataclass

# GitHub's closing keywords before #12, owner/repo#12 or the URL of an issue.
CLOSES = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?[ \t]+"
    r"(?:(?P<repository>[\w.-]{1,100}/[\w.-]{1,100})?#"
    r"|https?://[\w.-]{1,200}(?::\d{1,5})?/(?P<linked>[\w.-]{1,100}/[\w.-]{1,100})/issues/)"
    r"(?P<number>\d{1,10})\b",
    re.IGNORECASE | re.ASCII,
)
# Matches 12-fix-it, issue-12 and agent/12-fix-it.
BRANCH = re.compile(r"(?:.*/)?(?:(?:issue|task|fix|gh)-)?(\d{1,10})(?:-.*)?", re.ASCII)
FENCE = re.compile(r" {0,3}(?:```|~~~)")
CODE = re.compile(r"`[^`\n]*`")
# No pull request closes so many, but a body may name thousands.
MOST = 50


@dataclass(frozen=True)
class Link:
    """`repository` is owner/repo in lower case, or empty for its own. `how`: closes or branch."""

    repository: str
    number: int
    how: str


def links(body: str, head_ref: str) -> list[Link]:
    found = {(link.repository, link.number): link for link in _closing(body)}
    named = BRANCH.fullmatch(head_ref)
    if named and int(named[1]):
        found.setdefault(("", int(named[1])), Link("", int(named[1]), "branch"))
    return list(found.values())[:MOST]


def _closing(body: str) -> list[Link]:
    return [
        Link((m["repository"] or m["linked"] or "").lower(), int(m["number"]), "closes")
        for line in _prose(body)
        for m in CLOSES.finditer(line)
        if int(m["number"])
    ]


def _prose(body: str) -> list[str]:
    """The lines outside code and HTML comments."""
    lines, fenced = [], False
    for line in _without_html_comments(body).splitlines():
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            lines.append(CODE.sub(" ", line))
    return lines


def _without_html_comments(body: str) -> str:
    parts = body.split("<!--")
    return parts[0] + "".join(part.partition("-->")[2] for part in parts[1:])
