"""What a text of GitLab refers to, as links: on GitHub, `#12` and `/uploads/…` mean something else.

`group/project#12` would even be named as a reference in somebody else's repository.
"""

import re
from collections.abc import Callable, Sequence
from urllib.parse import urljoin

from bot.comments import cleaning, markdown_lines

REFERENCE = re.compile(
    r"(?<![\w/&#!@.\[-])(?P<project>\w[\w.-]*(?:/\w[\w.-]*)+)?(?P<kind>[#!])(?P<number>[0-9]{1,9})\b"
)
# A file that was uploaded to the project: where a link leads, or in HTML.
UPLOAD = re.compile(r"(?P<before>\]\(|\b(?:src|href)=[\"'])(?P<path>/uploads/[0-9a-f]{32}/)")
# What GitHub links already.
LINK = re.compile(
    r"\[[^\]\n]*\]\([^)\n]*\)|<[^>\n]*>|https?://[^\s<>]+|^ {0,3}\[[^\]\n]+\]:.*$", re.MULTILINE
)
PLACES = {"#": "issues", "!": "merge_requests"}
# Characters that the links may add.
MOST_ADDED = 4_000


def with_links(text: str, url: str, *, is_parsed: bool) -> str:
    """`url`: of the issue there. Where there are too many links, references say nothing."""
    base, _, _ = url.partition("/-/")
    if not is_parsed:
        return _without_references(text)
    code = markdown_lines.code_ranges(text)
    shown = _replace(text, UPLOAD, code, lambda each: f"{each['before']}{base}{each['path']}")
    safe = [*markdown_lines.code_ranges(shown), *(each.span() for each in LINK.finditer(shown))]
    linked = _replace(shown, REFERENCE, safe, lambda each: _link(each, base))
    return linked if len(linked) - len(text) <= MOST_ADDED else _without_references(text)


def _link(found: re.Match[str], base: str) -> str:
    """The path of another project begins where that of this one does."""
    project = found["project"]
    root = base if project is None else f"{urljoin(base, '/')}{project}"
    return f"[{found[0]}]({root}/-/{PLACES[found['kind']]}/{found['number']})"


def _without_references(text: str) -> str:
    """With a joiner that nobody sees, `#12` is two words to GitHub."""
    return REFERENCE.sub(
        lambda each: each[0].replace(each["kind"], f"{each['kind']}{cleaning.WORD_JOINER}"), text
    )


def _replace(
    text: str,
    what: re.Pattern[str],
    safe: Sequence[tuple[int, int]],
    made: Callable[[re.Match[str]], str],
) -> str:
    """Outside of these ranges."""
    kept = [False] * (len(text) + 1)
    for start, end in safe:
        kept[start:end] = [True] * (end - start)
    return what.sub(lambda each: each[0] if kept[each.start()] else made(each), text)
