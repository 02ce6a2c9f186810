"""What a text of GitLab refers to: links to GitLab. On GitHub the same words mean something else.

`#12` would be another issue, and `group/project#12` or a commit would be named as a reference in
somebody else's repository. What cannot be a link gets a joiner that nobody sees, so that it is two
words to GitHub. https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/autolinked-references-and-urls
"""

import html
import re
from urllib.parse import urljoin

from bot.comments import cleaning, markdown_lines
from bot.trackers import addresses
from bot.trackers.outside_code import positions_in

PROJECT = r"\w[\w.-]*(?:/\w[\w.-]*)+"
REFERENCE = re.compile(
    # A reference as people write it.
    rf"(?<![\w/&#!@.\[\\-])(?P<project>{PROJECT})?(?P<kind>[#!&])(?P<number>[0-9]{{1,9}})(?![\w;])"
    # A commit, with a letter and a digit, so that it is no number and no word.
    rf"|(?<![\w/@.\[\\-])(?:(?P<from>{PROJECT})@)?"
    r"(?P<commit>(?=[a-f]*[0-9])(?=[0-9]*[a-f])(?:[0-9a-f]{40}|[0-9a-f]{7,12}))(?![\w@/-]|\.\w)"
    # Everything else that GitHub may read as one, also as it is written in HTML.
    r"|(?P<entity>&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{1,30});)"
    r"|(?P<other>#(?=[0-9&])|\b[Gg][Hh]-(?=[0-9&])|"
    r"(?<=\w)@(?=[0-9a-f]{7,40}(?![\w@-]|\.\w))|(?<=[\[_\\])[0-9a-f]{7,40}(?![0-9A-Za-z-]))"
)
# What has a link already, or might have one: another link in it would break it.
LINK = re.compile(
    r"\[[^\]\n]{0,500}\](?:\([^)\n]{0,2000}\)|\[[^\]\n]{0,200}\])|<[^<>\n]{0,500}>|"
    r"https?://[^\s<>]+|^ {0,3}\[[^\]\n]{1,200}\]:.*$",
    re.MULTILINE,
)
PLACES = {"#": "issues", "!": "merge_requests", "&": "epics"}
# What may be a part of a reference when it is written as an entity of HTML.
MEANINGFUL = re.compile(r"[#@/.\w-]", re.ASCII)
# A text with more of what may begin a reference or a link gets no links.
BEGINNINGS, MOST_BEGINNINGS = ("#", "!", "&", "@", "[", "](", "<", "=", "://"), 2_000
# Characters that the links may add.
MOST_ADDED = 4_000


def with_links(text: str, url: str, *, is_parsed: bool) -> str:
    """`url`: of the issue there. Where there are too many links, references say nothing."""
    base, _, _ = url.partition("/-/")
    if is_parsed and sum(map(text.count, BEGINNINGS)) <= MOST_BEGINNINGS:
        linked = _link_all(addresses.repair(text, base), base)
        if len(linked) - len(text) <= MOST_ADDED:
            return linked
    return REFERENCE.sub(_with_joiner, addresses.without_github(text))


def _link_all(text: str, base: str) -> str:
    untouched = positions_in(text, markdown_lines.code_ranges(text))
    in_address = positions_in(text, _addresses(text))
    in_link = positions_in(text, (each.span() for each in LINK.finditer(text)))

    def link_or_join(found: re.Match[str]) -> str:
        at = found.start()
        if untouched[at] or in_address[at]:
            return found[0]
        if in_link[at] or not (found["kind"] or found["commit"]):
            return _with_joiner(found)
        return _link(found, base)

    return REFERENCE.sub(link_or_join, text)


def _addresses(text: str) -> list[tuple[int, int]]:
    """Where GitHub reads an address, so that nothing in it is a reference."""
    found = [each.span() for each in cleaning.LINK.finditer(text)]
    return found + [each.span("address") for each in addresses.DESTINATION.finditer(text)]


def _link(found: re.Match[str], base: str) -> str:
    """The path of another project begins where that of this one does."""
    project = found["project"] or found["from"]
    root = base if project is None else f"{urljoin(base, '/')}{project}"
    if found["commit"]:
        return f"[{found[0]}]({root}/-/commit/{found['commit']})"
    if found["kind"] == "&":  # of a group, which is the project's if none is named
        group = project or urljoin(base, ".").removeprefix(urljoin(base, "/")).rstrip("/")
        root = f"{urljoin(base, '/')}groups/{group}"
    return f"[{found[0]}]({root}/-/{PLACES[found['kind']]}/{found['number']})"


def _with_joiner(found: re.Match[str]) -> str:
    if found["entity"]:
        means_something = MEANINGFUL.fullmatch(html.unescape(found["entity"]))
        return found[0] + (cleaning.WORD_JOINER if means_something else "")
    if found["kind"] in ("!", "&"):
        return found[0]
    if "#" in found[0]:
        return found[0].replace("#", f"#{cleaning.WORD_JOINER}")
    return cleaning.WORD_JOINER.join(re.findall(r".{1,6}", found[0])) + cleaning.WORD_JOINER
