"""Slash commands in GitHub's Markdown: at the start of a line, never in code, quotes or HTML."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

# A verb ends with its word: `/usr/bin` is a path.
COMMAND = re.compile(r" {0,3}/([A-Za-z][A-Za-z-]*)(?:[ \t]+(.*?))?[ \t]*")
LIKELY = re.compile(r"^ {0,3}/[A-Za-z]", re.MULTILINE)
NAMESPACE = "hubbub"
# GitHub takes no longer text; more is not examined.
LONGEST = 65_536

# The full grammar takes seconds on a hostile 65 KB comment. Emphasis, links and images cannot
# hide a line that starts with a slash; code spans, HTML and escapes can.
PARSER = MarkdownIt("commonmark").disable(["emphasis", "link", "image", "autolink", "entity"])
# Stand before each line that looks like a command, with its number between them: by them it is
# known where it came to lie. GitHub's users have no use for them.
OPEN, CLOSE = "\ue000", "\ue001"
PLACE = re.compile(f"{OPEN}(\\d+){CLOSE}")


@dataclass(frozen=True)
class Found:
    """A command. `text`: verb and words with single spaces, by which it is known again."""

    verb: str
    words: tuple[str, ...]
    text: str
    namespaced: bool


def maybe(text: str) -> bool:
    """Whether it is worth parsing: most texts are not."""
    return LIKELY.search(text) is not None


def find(text: str) -> list[Found]:
    """The commands of a text, in its order; unknown verbs too."""
    if not maybe(text):
        return []
    text = re.sub(f"[{OPEN}{CLOSE}]", "", text[:LONGEST])
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    commands = {n: found for n, line in enumerate(lines) if (found := _command(line))}
    marked = [
        line.replace("/", f"{OPEN}{n}{CLOSE}/", 1) if n in commands else line
        for n, line in enumerate(lines)
    ]
    return [commands[n] for n in _plain(PARSER.parse("\n".join(marked)))]


def _plain(tokens: list[Token]) -> Iterator[int]:
    """The marked lines that begin as plain text of a paragraph that nothing encloses."""
    for before, token in pairwise(tokens):
        if before.type == "paragraph_open" and token.level == 1:
            yield from _line_starts(token.children or [])


def _line_starts(children: list[Token]) -> Iterator[int]:
    starts = True
    for child in children:
        marked = PLACE.match(child.content) if starts and child.type == "text" else None
        if marked:
            yield int(marked[1])
        # A line break inside of a code span or a tag is none of these.
        starts = child.type in ("softbreak", "hardbreak")


def _command(line: str) -> Found | None:
    matched = COMMAND.fullmatch(line)
    if matched is None:
        return None
    verb, rest = matched[1].lower(), matched[2] or ""
    words = _words(rest)
    namespaced = verb == NAMESPACE and bool(words)
    if namespaced:
        verb, words = words[0].lower().lstrip("/"), words[1:]
    text = " ".join([f"/{verb}", *words])
    return Found(verb, tuple(words), text, namespaced)


def _words(rest: str) -> list[str]:
    try:
        return shlex.split(rest)
    except ValueError:  # a quote that nobody closed is an apostrophe
        return rest.split()
