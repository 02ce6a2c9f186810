"""Finds slash commands in Markdown: at the start of a line, never in code, quotes or HTML."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline, backtick, html_inline
from markdown_it.token import Token

# GitHub accepts no longer comment, and many short lines are slow to parse. The rest is ignored.
LONGEST = 65_536
MOST_LINES = 10_000
LONGEST_OF_COMMANDS = 2_000
NAMESPACE = "hubbub"

LIKELY = re.compile(r"(?:^|[\r\n]) {0,3}/[A-Za-z]")
BEGINS = re.compile(r" {0,3}/[A-Za-z]")
# The verb is a whole word, so that the path `/usr/bin` is not a command.
VERB = re.compile(r"[a-z][a-z-]*")
# A quote begins at the start of a word and ends at the end of one, so `don't` is a plain word.
WORD = re.compile(r"""(?:"([^"]*)"|'([^']*)'|“([^”]*)”)(?=\s|$)|(\S+)""")
# Marks a line that begins inside code or HTML. The parser leaves no NUL in a text.
INSIDE = "\0"

# Where a span of code or HTML begins and ends, and whether it is an HTML comment.
Span: TypeAlias = tuple[int, int, bool]
Rule: TypeAlias = Callable[[StateInline, bool], bool]


@dataclass(frozen=True)
class Found:
    """A command. `line` counts from 1.

    `text` is the line with single spaces and its verb in lower case. `namespaced` means that it
    begins with `/hubbub`.
    """

    verb: str
    words: tuple[str, ...]
    line: int
    text: str
    namespaced: bool


def may_have_commands(text: str) -> bool:
    """A quick test that saves parsing: most texts have no commands."""
    return LIKELY.search(text) is not None


def find(text: str) -> list[Found]:
    """The commands of a text in their order, with unknown verbs."""
    if not may_have_commands(text):
        return []
    lines = _lines(text)
    return [each for n, shown in _plain(lines) if (each := _command(n + 1, shown))]


def has_only(text: str, verbs: Collection[str]) -> bool:
    """Whether a text has nothing but commands with these verbs. False for a long text."""
    if len(text) > LONGEST_OF_COMMANDS or not may_have_commands(text):
        return False
    filled = {n for n, line in enumerate(_lines(text), 1) if line.strip()}
    return filled <= {each.line for each in find(text) if each.namespaced or each.verb in verbs}


def _lines(text: str) -> list[str]:
    """The lines as the parser counts them, up to the limits."""
    seen = text[:LONGEST].replace("\0", "\ufffd").replace("\r\n", "\n").replace("\r", "\n")
    lines = seen.split("\n", MOST_LINES)[:MOST_LINES]
    # The last line may be cut, and half a line may be another command.
    return lines if len(text) <= LONGEST else lines[:-1]


def _command(line: int, shown: str) -> Found | None:
    verb, arguments = _split(shown[1:])
    if not VERB.fullmatch(verb):
        return None
    if verb != NAMESPACE:
        return Found(verb, _words(arguments), line, _even(f"/{verb}", arguments), namespaced=False)
    named, rest = _split(arguments.removeprefix("/")) if arguments else ("help", "")
    text = _even(f"/{NAMESPACE} {named}", rest)
    return Found(named, _words(rest), line, text, namespaced=True)


def _split(text: str) -> tuple[str, str]:
    """The first word in lower case, and what follows it."""
    first, *rest = text.split(maxsplit=1) or [""]
    return first.lower(), "".join(rest)


def _even(verb: str, arguments: str) -> str:
    return " ".join([verb, *arguments.split()])


def _words(arguments: str) -> tuple[str, ...]:
    return tuple(each[each.lastindex or 0] for each in WORD.finditer(arguments))


def _plain(lines: list[str]) -> Iterator[tuple[int, str]]:
    """The number and the visible text of each line that begins with a slash in plain text."""
    for first, end, in_list in _texts(MARKDOWN.parse("\n".join(lines))):
        likely = [n for n in range(first, end) if _begins(lines[n], in_list=in_list)]
        if not likely:
            continue
        shown = _visible_lines("\n".join(lines[first:end]))
        for n in likely:
            if (line := shown[n - first].lstrip(" ")).startswith("/"):
                yield n, line


def _begins(line: str, *, in_list: bool) -> bool:
    """In a list, an indented line belongs to an item, so only a line without indent counts."""
    return line[:1] == "/" if in_list else BEGINS.match(line) is not None


def _texts(tokens: list[Token]) -> Iterator[tuple[int, int, bool]]:
    """Paragraphs and headings outside quotes: first line, end, and whether in a list."""
    quotes = lists = 0
    for token in tokens:
        if token.type in ("blockquote_open", "blockquote_close"):
            quotes += token.nesting
        elif token.type in ("list_item_open", "list_item_close"):
            lists += token.nesting
        elif token.type == "inline" and token.map and not quotes:
            yield token.map[0], token.map[1], lists > 0


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


def _parser() -> MarkdownIt:
    """A parser of blocks, and of the inline spans that can hide the start of a line.

    The full grammar takes seconds on a hostile comment of 65 KB.
    """
    made = MarkdownIt("commonmark", {"maxNesting": 10})
    made.core.ruler.enableOnly(["normalize", "block"])
    made.inline.ruler.enableOnly(["text", "escape", "backticks", "html_inline"])
    made.inline.ruler2.enableOnly([])
    made.inline.ruler.at("backticks", _recording(backtick))
    made.inline.ruler.at("html_inline", _recording(html_inline))
    return made


MARKDOWN = _parser()
# The parser builds its rules at first use, which is not thread-safe, so use it once here.
find("/help")
