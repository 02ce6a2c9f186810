"""Finds lines of Markdown that begin with a slash in plain text, never in code, quotes or HTML."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, blockquote, list_block
from markdown_it.rules_inline import StateInline, backtick, html_inline
from markdown_it.token import Token

from bot.kernel.untrusted_text import INVISIBLE

# GitHub accepts no longer comment, and many short lines are slow to parse. The rest is ignored.
LONGEST = 65_536
MOST_LINES = 10_000
# Lists and quotes in each other are the slowest. After so many tries the parser sees none any more.
MOST_TRIES = 20_000

LINE_END = re.compile(r"\r\n|\r|\n")
BEGINS = re.compile(rf" {{0,3}}/[{INVISIBLE}]*[A-Za-z]")
HIDDEN_BEFORE = re.compile(rf"\A( {{0,3}})[\u00a0{INVISIBLE}][ \u00a0{INVISIBLE}]*(?=/)")
TAG = re.compile(r"<!--|<\?|<!\[CDATA\[|<!|<(/?)([A-Za-z][A-Za-z0-9-]*)([^<>]*)(>?)")
# What ends each of those that are no tags.
CLOSERS = {"<!--": "-->", "<?": "?>", "<![CDATA[": "]]>", "<!": ">"}
# Tags of HTML that nothing closes.
VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
    ]
)
# A footnote of GitHub, which the parser does not know. What is in it is indented, and no code.
FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]:")
# Marks a line that begins inside code or HTML. The parser leaves no NUL in a text.
INSIDE = "\0"

# Where a span of code or HTML begins and ends, and whether it is an HTML comment.
Span: TypeAlias = tuple[int, int, bool]
Rule: TypeAlias = Callable[[StateInline, bool], bool]
BlockRule: TypeAlias = Callable[[StateBlock, int, int, bool], bool]


@dataclass(frozen=True)
class Block:
    """A piece of a text: its first line, and the line after its last one."""

    first: int
    end: int
    in_list: bool
    is_html: bool


def source_lines(text: str) -> list[str]:
    """The lines as the parser counts them, up to the limits."""
    seen = text[:LONGEST].replace("\0", "\ufffd").replace("\r\n", "\n").replace("\r", "\n")
    lines = seen.split("\n", MOST_LINES)[:MOST_LINES]
    # The last line may be cut, and half a line may be another command.
    whole = lines if len(text) <= LONGEST else lines[:-1]
    return [HIDDEN_BEFORE.sub(r"\1", line) for line in whole]


def slash_lines(text: str) -> Iterator[tuple[int, str]]:
    """The number and the visible text of each line that begins with a slash in plain text."""
    lines = source_lines(text)
    for block in _blocks(MARKDOWN.parse("\n".join(lines))):
        within = range(block.first, block.end)
        likely = [n for n in within if _begins(lines[n], in_list=block.in_list)]
        if not likely:
            continue
        written = lines[block.first : block.end]
        shown = (
            _lines_outside_tags(written) if block.is_html else _visible_lines("\n".join(written))
        )
        for n in likely:
            if (line := shown[n - block.first].lstrip(" ")).startswith("/"):
                yield n + 1, line


def code_ranges(text: str) -> list[tuple[int, int]]:
    """Where the text has code: the first position of each block or span, and the one after it.

    Nothing counts as code in a text that GitHub may parse in another way.
    """
    starts, lines = _raw_lines(text)
    state: dict[str, int] = {}
    tokens = MARKDOWN.parse("\n".join(lines), state)
    if state.get("tries", 0) > MOST_TRIES or FOOTNOTE.search(text):
        return []
    found = []
    for token in tokens:
        if token.map is None:
            continue
        first, end = token.map
        if token.type in ("fence", "code_block"):
            found.append((starts[first], starts[min(end, len(lines))]))
        elif token.type == "inline":
            found += _inline_code(starts[first:end], lines[first:end])
    return found


def _raw_lines(text: str) -> tuple[list[int], list[str]]:
    """Where each line begins, and the end; and the lines, up to the limits."""
    lines, starts, at = [], [], 0
    for each in LINE_END.finditer(text, 0, LONGEST):
        lines.append(text[at : each.start()])
        starts.append(at)
        at = each.end()
        if len(lines) == MOST_LINES:
            return [*starts, at], lines
    return [*starts, at, min(len(text), LONGEST)], [*lines, text[at:LONGEST]]


def _inline_code(starts: list[int], lines: list[str]) -> Iterator[tuple[int, int]]:
    """The code spans of a block. One with a pipe may stand in two cells of a table."""
    written = "\n".join(lines)
    if "`" not in written:
        return
    spans: list[Span] = []
    MARKDOWN.inline.parse(written, MARKDOWN, {"spans": spans}, [])
    begins = list(accumulate((len(each) + 1 for each in lines), initial=0))

    def in_text(at: int) -> int:
        line = bisect_right(begins, at, hi=len(lines)) - 1
        return starts[line] + at - begins[line]

    for start, end, _ in spans:
        if written[start] == "`" and "|" not in written[start:end]:
            yield in_text(start), in_text(end)


def _begins(line: str, *, in_list: bool) -> bool:
    """In a list, an indented line belongs to an item, so only a line without indent counts."""
    return line[:1] == "/" if in_list else BEGINS.match(line) is not None


def _blocks(tokens: list[Token]) -> Iterator[Block]:
    """Paragraphs, headings and blocks of HTML outside quotes."""
    quotes = lists = 0
    for token in tokens:
        if token.type in ("blockquote_open", "blockquote_close"):
            quotes += token.nesting
        elif token.type in ("list_item_open", "list_item_close"):
            lists += token.nesting
        elif token.type in ("inline", "html_block") and token.map and not quotes:
            first, end = token.map
            yield Block(first, end, in_list=lists > 0, is_html=token.type == "html_block")


def _lines_outside_tags(lines: list[str]) -> list[str]:
    """The lines of a block of HTML; INSIDE marks those that begin inside a tag or an element.

    GitHub shows a line after `</details>` or a pasted picture as plain text.
    """
    shown, depth, closer = [], 0, ""
    for line in lines:
        is_plain = depth == 0 and not closer
        shown.append(line.partition("<!--")[0] if is_plain else INSIDE)
        depth, closer = _after_tags(line, depth, closer)
    return shown


def _after_tags(line: str, depth: int, closer: str) -> tuple[int, str]:
    """How many elements are open after the line, and what ends the tag or comment that goes on."""
    at = 0
    while True:
        if closer:
            end = line.find(closer, at)
            if end < 0:
                return depth, closer
            at, closer = end + len(closer), ""
        tag = TAG.search(line, at)
        if tag is None:
            return depth, ""
        at = tag.end()
        if tag[2] is None:
            closer = CLOSERS[tag[0]]
        else:
            closer = "" if tag[4] else ">"
            depth = _depth(tag, depth)


def _depth(tag: re.Match[str], depth: int) -> int:
    if tag[2].lower() in VOID or tag[3].endswith("/"):
        return depth
    return max(0, depth - 1) if tag[1] else depth + 1


def _visible_lines(text: str) -> list[str]:
    """The lines of a paragraph without HTML comments; INSIDE marks those that begin in a span."""
    spans: list[Span] = []
    MARKDOWN.inline.parse(text, MARKDOWN, {"spans": spans}, [])
    pieces, at = [], 0
    for start, end, comment in spans:
        inside = text[start:end]
        lines = [""] * (inside.count("\n") + 1) if comment else inside.split("\n")
        pieces += [text[at:start], f"\n{INSIDE}".join(lines)]
        at = end
    return "".join([*pieces, text[at:]]).split("\n")


def _recording(rule: Rule) -> Rule:
    """The parser's rule, which then also records the spans that it finds."""

    def recording(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 -- the parser's signature
        start = state.pos
        matched = rule(state, silent)
        # A span is a token now. A lone backtick matched too, but it is pending text.
        if matched and not state.pending:
            comment = state.src.startswith("<!--", start)
            state.env["spans"].append((start, state.pos, comment))
        return matched

    return recording


def _limit(rule: BlockRule) -> BlockRule:
    """The parser's rule, until it was tried too often in one text."""

    def try_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 -- the parser's signature
        state.env["tries"] = tries = state.env.get("tries", 0) + 1
        return tries <= MOST_TRIES and rule(state, start, end, silent)

    return try_rule


def _parser() -> MarkdownIt:
    """A parser of blocks, and of the inline spans that can hide the start of a line.

    The full grammar takes seconds on a hostile comment of 65 KB.
    """
    made = MarkdownIt("commonmark", {"maxNesting": 10})
    made.core.ruler.enableOnly(["normalize", "block"])
    # Which blocks each of them ends, as in the parser.
    ends = ["paragraph", "reference", "blockquote"]
    made.block.ruler.at("list", _limit(list_block), {"alt": ends})
    made.block.ruler.at("blockquote", _limit(blockquote), {"alt": [*ends, "list"]})
    made.inline.ruler.enableOnly(["text", "escape", "backticks", "autolink", "html_inline"])
    # GitHub links every scheme, and a backtick in such a link begins no code.
    made.validateLink = lambda url: True  # type: ignore[method-assign]  # noqa: ARG005
    made.inline.ruler2.enableOnly([])
    made.inline.ruler.at("backticks", _recording(backtick))
    made.inline.ruler.at("html_inline", _recording(html_inline))
    return made


MARKDOWN = _parser()
# The parser builds its rules at first use, which is not thread-safe, so use it once here.
list(slash_lines("/help"))
