"""Slash commands in GitHub's Markdown: at the start of a line, never in code, quotes or HTML."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline, backtick, html_inline
from markdown_it.token import Token

# GitHub takes no longer comment, and a flood of short lines is dear to parse: no more is examined.
LONGEST = 65_536
MOST_LINES = 10_000
LONGEST_OF_COMMANDS = 2_000
NAMESPACE = "hubbub"

LIKELY = re.compile(r"(?:^|[\r\n]) {0,3}/[A-Za-z]")
BEGINS = re.compile(r" {0,3}/[A-Za-z]")
# `/usr/bin` is a path: a verb ends with its word.
VERB = re.compile(r"[a-z][a-z-]*")
# A quote counts where a word starts, if it is closed where one ends: `don't` and `it's` are words.
WORD = re.compile(r"""(?:"([^"]*)"|'([^']*)'|“([^”]*)”)(?=\s|$)|(\S+)""")
# Stands before a line that begins inside of code or HTML. The parser leaves no NUL in a text.
INSIDE = "\0"

# Where a span that hides begins and ends, and whether it is a comment.
Span: TypeAlias = tuple[int, int, bool]
Rule: TypeAlias = Callable[[StateInline, bool], bool]


@dataclass(frozen=True)
class Found:
    """A command. `line` counts from 1; `text` is that line, spaced evenly, its verb in lower case.

    `namespaced`: it names us, as in `/hubbub claim`.
    """

    verb: str
    words: tuple[str, ...]
    line: int
    text: str
    namespaced: bool


def maybe(text: str) -> bool:
    """Whether it is worth parsing: most texts are not."""
    return LIKELY.search(text) is not None


def find(text: str) -> list[Found]:
    """The commands of a text, in its order; unknown verbs too."""
    if not maybe(text):
        return []
    lines = _lines(text)
    return [each for n, shown in _plain(lines) if (each := _command(n + 1, shown))]


def is_all(text: str, verbs: Collection[str]) -> bool:
    """Whether a text says nothing but such commands; of a long one that is not looked for."""
    if len(text) > LONGEST_OF_COMMANDS or not maybe(text):
        return False
    said = {n for n, line in enumerate(_lines(text), 1) if line.strip()}
    return said <= {each.line for each in find(text) if each.namespaced or each.verb in verbs}


def _lines(text: str) -> list[str]:
    """As the parser counts them, so far as they are examined."""
    seen = text[:LONGEST].replace("\0", "\ufffd").replace("\r\n", "\n").replace("\r", "\n")
    lines = seen.split("\n", MOST_LINES)[:MOST_LINES]
    # Half a line may be another command.
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
    """The lines that begin as plain text with a slash: which, and what each shows."""
    for first, end, in_list in _texts(MARKDOWN.parse("\n".join(lines))):
        likely = [n for n in range(first, end) if _begins(lines[n], in_list=in_list)]
        if not likely:
            continue
        shown = _shown("\n".join(lines[first:end]))
        for n in likely:
            if (line := shown[n - first].lstrip(" ")).startswith("/"):
                yield n, line


def _begins(line: str, *, in_list: bool) -> bool:
    """In a list only a line without indent: the others are words of an item."""
    return line[:1] == "/" if in_list else BEGINS.match(line) is not None


def _texts(tokens: list[Token]) -> Iterator[tuple[int, int, bool]]:
    """Paragraphs and headings outside of quotes: first line, end, and whether in a list."""
    quotes = lists = 0
    for token in tokens:
        if token.type in ("blockquote_open", "blockquote_close"):
            quotes += token.nesting
        elif token.type in ("list_item_open", "list_item_close"):
            lists += token.nesting
        elif token.type == "inline" and token.map and not quotes:
            yield token.map[0], token.map[1], lists > 0


def _shown(text: str) -> list[str]:
    """The lines of a paragraph, without comments; those that begin inside of a span are marked."""
    spans: list[Span] = []
    MARKDOWN.inline.parse(text, MARKDOWN, {"spans": spans}, [])
    pieces, at = [], 0
    for start, end, comment in spans:
        inside = text[start:end]
        lines = [""] * (inside.count("\n") + 1) if comment else inside.split("\n")
        pieces += [text[at:start], f"\n{INSIDE}".join(lines)]
        at = end
    return "".join([*pieces, text[at:]]).split("\n")


def _noting(rule: Rule) -> Rule:
    """A rule of the parser that also notes the spans it finds."""

    def noting(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 -- the parser's signature
        start = state.pos
        matched = rule(state, silent)
        # What it found is a token now; what it passed over, as a lone backtick, is pending.
        if matched and not state.pending:
            comment = state.src.startswith("<!--", start)
            state.env["spans"].append((start, state.pos, comment))
        return matched

    return noting


def _parser() -> MarkdownIt:
    """Blocks, and of what stands in a line only what can hide the start of the next.

    The full grammar takes seconds on a hostile 65 KB comment.
    """
    made = MarkdownIt("commonmark", {"maxNesting": 10})
    made.core.ruler.enableOnly(["normalize", "block"])
    made.inline.ruler.enableOnly(["text", "escape", "backticks", "html_inline"])
    made.inline.ruler2.enableOnly([])
    made.inline.ruler.at("backticks", _noting(backtick))
    made.inline.ruler.at("html_inline", _noting(html_inline))
    return made


MARKDOWN = _parser()
# Its rules are put together at the first use, which is not safe among threads.
find("/help")
